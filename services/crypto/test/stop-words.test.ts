import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Fact } from '@chappe/proto/internal/crypto_service';
import { wordFactOf } from '../src/stop-words.ts';

test('stop words end a subscription in every language, whatever their case and closing punctuation', () => {
  for (const text of [
    'STOP',
    'stop',
    ' Stop. ',
    'ＳＴＯＰ',
    'unsubscribe',
    'Stop  All', // en
    'ARRÊT',
    'arrêt',
    'Désabonner', // fr, the second one decomposed
    'ABMELDEN',
    'Baja',
    'ANNULLA',
    'Sair',
    'AFMELDEN',
    'Koniec',
    'İPTAL',
    'iptal',
    'IPTAL',
    'Çık',
    'إيقاف',
    'توقف', // de es it pt nl pl tr ar
  ]) {
    assert.equal(wordFactOf(text), Fact.STOP_WORD, text);
  }
});

test('start words resume it', () => {
  for (const text of [
    'START',
    'Reprendre',
    'anmelden',
    'ALTA',
    'Iscrivi',
    'Começar',
    'aanmelden',
    'Wznów',
    'BAŞLA',
    'ابدأ',
  ]) {
    assert.equal(wordFactOf(text), Fact.START_WORD, text);
  }
});

test('a text with such a word in it is only a text', () => {
  for (const text of [
    'please do not stop',
    'stopping by at noon',
    'stop it',
    '',
    '.',
    'I want to cancel my appointment',
    'x'.repeat(5_000),
  ]) {
    assert.equal(wordFactOf(text), undefined, text);
  }
});
