/**
 * The words with which people end and resume a business's messages, by language.
 *
 * A reply counts only if it is such a word and nothing else: trimmed, without closing punctuation,
 * case folded (Turkish dotted and dotless i alike). "Please do not stop" ends nothing.
 * The English ones are those of the CTIA Messaging Principles and Best Practices; the others are
 * what carriers and people of the language use. STOP works in every language.
 */
import { Fact } from '@chappe/proto/internal/crypto_service';

const stopWords: Readonly<Record<string, readonly string[]>> = {
  en: ['stop', 'stopall', 'stop all', 'unsubscribe', 'cancel', 'end', 'quit', 'opt out', 'optout', 'revoke'],
  fr: [
    'arret',
    'arrêt',
    'arrêter',
    'arreter',
    'désabonner',
    'desabonner',
    'désinscrire',
    'desinscrire',
    'stopper',
    'annuler',
  ],
  de: ['stopp', 'abmelden', 'abbestellen', 'abbrechen', 'beenden', 'ende', 'kündigen', 'kuendigen'],
  es: ['parar', 'alto', 'baja', 'cancelar', 'detener', 'darse de baja'],
  it: ['ferma', 'fermare', 'annulla', 'cancellami', 'disiscrivi', 'disiscrivimi', 'basta'],
  pt: ['pare', 'parar', 'sair', 'cancelar', 'descadastrar', 'remover'],
  nl: ['stoppen', 'afmelden', 'uitschrijven', 'opzeggen', 'einde'],
  pl: ['koniec', 'zatrzymaj', 'wypisz', 'rezygnuję', 'rezygnuje', 'anuluj'],
  tr: ['dur', 'durdur', 'iptal', 'ret', 'çık', 'cik', 'abonelikten çık'],
  ar: ['توقف', 'قف', 'إيقاف', 'ايقاف', 'إلغاء', 'الغاء', 'إلغاء الاشتراك', 'الغاء الاشتراك'],
  sv: ['stoppa', 'avsluta', 'avregistrera'],
  da: ['afmeld', 'afslut'],
  nb: ['avslutt', 'meld av'],
  fi: ['lopeta', 'peruuta'],
  cs: ['konec', 'zrušit', 'zrusit', 'odhlásit', 'odhlasit'],
  ro: ['oprire', 'opreste', 'oprește', 'dezabonare'],
  el: ['διακοπή', 'διακοπη', 'τέλος', 'τελος'],
  ru: ['стоп', 'отписаться', 'отмена'],
  uk: ['стоп', 'відписатися', 'скасувати'],
  he: ['עצור', 'הפסק', 'הסר'],
  hi: ['रोकें', 'बंद करें'],
  id: ['berhenti', 'batal'],
  ja: ['停止', '配信停止', 'ストップ'],
  ko: ['중지', '수신거부'],
  zh: ['停止', '退订', '退訂', '取消订阅'],
};

const startWords: Readonly<Record<string, readonly string[]>> = {
  en: ['start', 'unstop', 'subscribe', 'resume', 'opt in', 'optin'],
  fr: ['reprendre', "s'abonner", 'abonner', 'démarrer', 'demarrer'],
  de: ['anmelden', 'abonnieren', 'starten', 'fortsetzen'],
  es: ['iniciar', 'alta', 'suscribir', 'empezar', 'reanudar'],
  it: ['inizia', 'iscrivi', 'iscrivimi', 'riprendi'],
  pt: ['iniciar', 'começar', 'comecar', 'assinar', 'retomar'],
  nl: ['starten', 'aanmelden', 'inschrijven', 'hervatten'],
  pl: ['zacznij', 'wznów', 'wznow', 'zapisz'],
  tr: ['başla', 'basla', 'başlat', 'baslat', 'devam'],
  ar: ['ابدأ', 'ابدا', 'بدء', 'اشتراك'],
  ru: ['старт', 'подписаться'],
  zh: ['开始', '订阅'],
};

const stop = fold(stopWords);
const start = fold(startWords);

/** Longer than any word above; what is longer is not even folded. */
const wordLengthMax = 40;

/** Whether a reply is a stop or start word, and nothing else. */
export function wordFactOf(text: string): Fact | undefined {
  if (text.length > wordLengthMax) return undefined;
  const word = foldCase(text);
  if (stop.has(word)) return Fact.STOP_WORD;
  return start.has(word) ? Fact.START_WORD : undefined;
}

function fold(words: Readonly<Record<string, readonly string[]>>): ReadonlySet<string> {
  return new Set(Object.values(words).flat().map(foldCase));
}

function foldCase(text: string): string {
  const trimmed = text
    .normalize('NFKC')
    .trim()
    .replace(/[\s.!。！]+$/u, '');
  return trimmed.toLowerCase().replaceAll('\u0307', '').replaceAll('ı', 'i').replace(/\s+/gu, ' ');
}
