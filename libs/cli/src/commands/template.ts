/** `chappe template`: the texts that a business may send. */
import { readFileSync } from 'node:fs';
import { Category, TemplateSchema, TemplateServiceListResponseSchema } from '@chappe/proto/v1/template_service';
import { type Command, Option } from 'commander';
import { withBusiness } from '../connect.ts';
import { UsageError } from '../failure.ts';
import { formatCategory } from '../format.ts';
import { asBusiness, examples, type BusinessOptions } from '../options.ts';
import { print, printJson, printMessage } from '../output.ts';
import { formatTable } from '../table.ts';
import { readTemplateFile, type TemplateText } from '../template-file.ts';

interface CreateOptions extends BusinessOptions {
  readonly file?: string;
  readonly language: string;
  readonly category: 'utility' | 'marketing' | 'authentication';
  readonly header?: string;
  readonly body?: string;
  readonly footer?: string;
  readonly code?: string;
}

export function templateCommand(program: Command): void {
  const template = program.command('template').description('texts with named parameters, one for each language');

  asBusiness(template.command('create').description('create a template in one language, or all of a file'))
    .argument('[name]', 'a-z, 0-9 and _')
    .option('--language <code>', 'BCP 47', 'en')
    .addOption(
      new Option('--category <category>', 'what it is for')
        .choices(['utility', 'marketing', 'authentication'])
        .default('utility'),
    )
    .option('--header <text>', 'at most 60 characters')
    .option('--body <text>', 'at most 1,024 characters; {{name}} marks a parameter')
    .option('--footer <text>', 'at most 60 characters')
    .option('--code <text>', "a QR code's content, e.g. {{pass}}")
    .option('--file <templates.json>', 'all templates of a file, like examples/templates.json')
    .addHelpText(
      'after',
      examples(
        `chappe template create parcel --body 'Hello {{name}}, your parcel comes {{when}}.'`,
        `chappe template create parcel --language fr --body 'Bonjour {{name}}, votre colis arrive {{when}}.'`,
        'chappe template create --file examples/templates.json',
      ),
    )
    .action(create);

  asBusiness(template.command('list').description('all templates')).argument('[name]', 'only this one').action(list);

  asBusiness(template.command('delete').description('delete one language of a template'))
    .argument('<name>')
    .requiredOption('--language <code>', 'BCP 47')
    .action(remove);
}

async function create(name: string | undefined, options: CreateOptions): Promise<void> {
  const texts = textsOf(name, options);
  const created = await withBusiness(options, async (client) => {
    const { templates } = client;
    const responses = [];
    for (const text of texts) responses.push((await templates.create({ template: text })).template);
    return responses.filter((template) => template !== undefined);
  });
  const [only] = created;
  if (name !== undefined && only !== undefined) {
    printMessage(
      options,
      TemplateSchema,
      only,
      ({ parameters }) => `created ${name} (${options.language}); parameters: ${parameters.join(', ') || 'none'}`,
    );
  } else if (options.json === true) {
    printJson({ created: created.length });
  } else {
    print(`created ${created.length} templates`);
  }
}

function textsOf(name: string | undefined, options: CreateOptions): readonly TemplateText[] {
  if (options.file !== undefined) {
    const texts = readTemplateFile(readFileSync(options.file, 'utf8'));
    return name === undefined ? texts : texts.filter((text) => text.name === name);
  }
  if (name === undefined || options.body === undefined) throw new UsageError('give a name and --body, or --file');
  const { language, header = '', body, footer = '', code = '' } = options;
  const category = Category[options.category.toUpperCase() as 'UTILITY' | 'MARKETING' | 'AUTHENTICATION'];
  return [{ name, language, category, header, body, footer, code }];
}

async function list(name: string | undefined, options: BusinessOptions): Promise<void> {
  const response = await withBusiness(options, (client) => client.templates.list({ name: name ?? '' }));
  printMessage(options, TemplateServiceListResponseSchema, response, ({ templates }) =>
    formatTable(
      [{ title: 'NAME' }, { title: 'LANGUAGE' }, { title: 'CATEGORY' }, { title: 'PARAMETERS' }, { title: 'BODY' }],
      templates.map((template) => [
        template.name,
        template.language,
        formatCategory(template.category),
        template.parameters.join(','),
        template.body.replaceAll('\n', ' ').slice(0, 60),
      ]),
    ),
  );
}

async function remove(name: string, options: BusinessOptions & { readonly language: string }): Promise<void> {
  await withBusiness(options, (client) => client.templates.delete({ name, language: options.language }));
  if (options.json === true) printJson({ deleted: { name, language: options.language } });
  else print(`deleted ${name} (${options.language})`);
}
