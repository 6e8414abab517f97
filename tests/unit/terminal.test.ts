import { stripVTControlCharacters } from 'node:util';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { painter, printError } from '../../harness/common/io.js';
import { Progress } from '../../harness/common/progress.js';
import { textTable } from '../../harness/common/table.js';
import { guardedStream } from '../../harness/common/terminal.js';
import { DownhillError } from '../../src/index.js';

/** As process.stdout on a terminal, and what arrives there. */
function terminal(isTTY = true) {
  const texts: string[] = [];
  const real = { isTTY, columns: 80, write: (text: string) => texts.push(text) };
  return { stream: guardedStream(real), text: () => texts.join('') };
}

beforeEach(() => {
  vi.stubEnv('TERM', 'xterm');
  vi.stubEnv('NO_COLOR', '');
});
afterEach(() => vi.unstubAllEnvs());

/** Clears the screen, names the window, rings, goes back, in C0 and C1. */
const NAME = 'a\x1b[2J\x1b]0;pwned\x07\b\r\x9b31m\x7f.csv';
const SHOWN = 'a\\u001b[2J\\u001b]0;pwned\\u0007\\u0008\\u000d\\u009b31m\\u007f.csv';

test('control characters in names are shown, and our own colours are what they were', () => {
  const { stream, text } = terminal();
  const paint = painter(stream);
  stream.write(`  ${paint('cyan', 'data')}  ${NAME}\t1\n`);
  stream.write(`  ${paint('red', NAME)}\n`);
  expect(text()).toBe(`  \x1b[36mdata\x1b[39m  ${SHOWN}\t1\n  \x1b[31m${SHOWN}\x1b[39m\n`);
});

test('a name that looks like our own colour is shown, too', () => {
  const { stream, text } = terminal();
  painter(stream)('red', 'warmed up');
  stream.write('  \x1b[31mred\x1b[0m\n');
  expect(text()).toBe('  \\u001b[31mred\\u001b[0m\n');
});

test('they are shown in errors, tables and moving lines, and in JSON that stays JSON', () => {
  const { stream, text } = terminal();
  printError(new DownhillError('DATA-NOT-FOUND', `No file ${NAME}.`, `Name another than ${NAME}.`), stream);
  const columns = [{ title: NAME, text: () => NAME, style: () => 'green' as const }];
  stream.write(textTable(columns, [{}], { paint: painter(stream), room: 200 }).join('\n'));
  new Progress(stream).draw([NAME], 0.5);
  const left = stripVTControlCharacters(text()).replace('\r  ', '');
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what it is about
  expect(left).not.toMatch(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/);

  const json = terminal(false);
  json.stream.write(`${JSON.stringify({ file: NAME })}\n`);
  expect(JSON.parse(json.text())).toEqual({ file: NAME });
});

test('a moving line has its codes on a terminal, and none with TERM=dumb', () => {
  const smart = terminal();
  const line = new Progress(smart.stream);
  line.draw(['1 of 2']);
  line.clear();
  expect(smart.text()).toBe('\r  1 of 2\x1b[K\r\x1b[K');

  vi.stubEnv('TERM', 'dumb');
  const dumb = terminal();
  const lines = new Progress(dumb.stream);
  lines.draw(['1 of 2'], 0.5);
  lines.say(lines.paint('red', 'said'));
  lines.end();
  expect(dumb.text()).toBe('  said\n');
});
