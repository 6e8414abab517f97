import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import { FOLDERS, readComment } from '../../harness/generate/docs.js';
import { escapeMarkdown } from '../../harness/generate/markdown.js';
import { exportName, readModuleComment } from '../../harness/generate/module-pages.js';
import * as library from '../../src/index.js';
import { layerRows } from '../../src/nn/layers.js';

/*
 * The documents say what the code says. That the generated ones are fresh is `npm run check`; that the snippets run,
 * tests/commands/examples.test.ts.
 */

const root = resolve(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');
const filesOf = (folder: string): string[] =>
  readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort();
const rules = Object.values(library.rules as unknown as Readonly<Record<string, { row: library.RuleRow }>>);

const documents = ['README.md', ...filesOf('docs').filter((path) => path.endsWith('.md'))];
const handWritten = documents.filter((path) => !FOLDERS.some((folder) => path.startsWith(`${folder}/`)));

describe('every document', () => {
  it.each(documents)('%s links to what exists', (path) => {
    const text = read(path).replace(/^```[\s\S]*?^```/gm, '');
    for (const [, target] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g))
      expect(existsSync(join(root, dirname(path), target!)), target).toBe(true);
  });

  it.each(handWritten)('%s shows, as JavaScript, files that the tests run', (path) => {
    const files = filesOf('examples').map((each) => read(each).trimEnd());
    for (const [, code] of read(path).matchAll(/^```js\n([\s\S]*?)\n```$/gm))
      expect(files.includes(code!), code).toBe(true);
  });

  it('shows every snippet', () => {
    const text = handWritten.map(read).join('\n');
    for (const path of filesOf('examples/snippets')) expect(text.includes(read(path).trimEnd()), path).toBe(true);
  });
});

describe('docs/errors.md', () => {
  it('has the codes of src/gpu/errors.ts and no others', () => {
    const type = /export type ErrorCode =([\s\S]*?);/.exec(read('src/gpu/errors.ts'))![1]!;
    const codes = [...type.matchAll(/'([A-Z0-9-]+)'/g)].map(([, code]) => code);
    const rows = read('docs/errors.md')
      .split('\n')
      .filter((line) => line.startsWith('| `') && !line.includes('not thrown'));
    const listed = rows.flatMap((line) => [...line.split('|')[1]!.matchAll(/`([A-Z0-9-]+)`/g)].map(([, code]) => code));
    expect(listed.sort()).toEqual(codes.sort());
  });
});

describe('README.md', () => {
  it('names every rule', () => {
    const line = /^\| rules \|.*$/m.exec(read('README.md'))![0];
    for (const { row } of rules) expect(line).toContain(row.title);
  });
});

describe('the page of a rule', () => {
  it.each(rules.map(({ row }) => row.name))('%s has an example that makes the rule', (name) => {
    const { example, paper } = readComment(name, read(`src/optim/rules/${name}.ts`));
    const scope = Object.entries(library).filter(([key]) => /^\w+$/.test(key));
    const make = new Function(...scope.map(([key]) => key), `return ${example};`);
    expect(make(...scope.map(([, value]) => value)).row.name).toBe(name);
    expect(paper).toMatch(/\d{4}/);
    expect(read(`docs/rules/${name}.md`)).toContain(example);
  });

  it('shows markup in a row as text', () => {
    expect(escapeMarkdown('<b>a|b</b>\n`c` *d* [e](f) &amp; g_h')).toBe(
      '&lt;b\\>a\\|b&lt;/b\\> \\`c\\` \\*d\\* \\[e\\](f) &amp;amp; g\\_h',
    );
  });

  it('needs a comment with an example and a paper', () => {
    expect(() => readComment('x', '/**\n * X.\n */\nexport const x = defineRule({')).toThrow("no line '@example …'");
  });
});

describe('the page of a module', () => {
  it.each(Object.values(library.losses).map(({ row }) => row.name))('%s has an example that makes the loss', (name) => {
    const path = `src/nn/losses/${name}.ts`;
    const { example } = readModuleComment(path, name, read(path));
    const scope = Object.entries(library).filter(([key]) => /^\w+$/.test(key));
    const make = new Function(...scope.map(([key]) => key), `return ${example};`);
    expect(make(...scope.map(([, value]) => value)).row.name).toBe(name);
    expect(read(`docs/losses/${name}.md`)).toContain(example);
    expect(exportName(name) in library).toBe(true);
  });

  it.each(Object.keys(layerRows))('%s has an example that makes the layer', (name) => {
    const path = `src/nn/layers/${name}.ts`;
    const { example } = readModuleComment(path, name, read(path));
    const scope = Object.entries(library).filter(([key]) => /^\w+$/.test(key));
    const make = new Function(...scope.map(([key]) => key), `return ${example};`);
    expect(make(...scope.map(([, value]) => value)).row.name).toBe(name);
    expect(read(`docs/layers/${name}.md`)).toContain(example);
  });

  it('has prose and formulas of the comment, in their order', () => {
    const comment =
      '/**\n * One line\n * and another:\n *\n *   y = x\n *   z = y\n *\n * More.\n *\n * @example aB()\n */';
    expect(readModuleComment('a-b.ts', 'a-b', `${comment}\nexport const aB = 1;`)).toEqual({
      blocks: [
        { formula: false, text: 'One line and another:' },
        { formula: true, text: 'y = x\nz = y' },
        { formula: false, text: 'More.' },
      ],
      example: 'aB()',
      paper: undefined,
    });
    expect(() => readModuleComment('a.ts', 'a', '/** A. */\nexport const a = 1;')).toThrow("no line '@example …'");
    expect(() => readModuleComment('a.ts', 'b', '/** A. */\nexport const a = 1;')).toThrow('export b');
  });
});
