/**
 * A process whose files may have so many bytes each, after `ulimit -f`: node out-writer.mjs FOLDER
 * says on stdout what became of what it wrote there; with `say` it only says a line of 3000 bytes three times.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { processIo } from '../../harness/common/io.js';
import { isFull, writeAllWhole } from '../../harness/common/whole-file.js';
import { appendLines } from '../../src/node/lines.js';

const refused = (work: () => void): boolean => {
  try {
    work();
    return false;
  } catch (error) {
    if (isFull(error)) return true;
    throw error;
  }
};

function main(folder: string): void {
  if (folder === 'say') {
    const { stdout } = processIo();
    for (let i = 0; i < 3; i++) stdout.write(`${'x'.repeat(2999)}\n`);
    return;
  }
  const [small, large, lines] = ['small.json', 'large.svg', 'lines.jsonl'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
  ];
  writeAllWhole([[small, 'old']]);
  const pictures = refused(() =>
    writeAllWhole([
      [small, 'new'],
      [large, 'x'.repeat(100_000)],
    ]),
  );
  let [written, cut] = [0, false];
  while (!cut) {
    cut = refused(() => appendLines(lines, `${'{"step":'.padEnd(700)}${written}}\n`.repeat(3)));
    if (!cut) written++;
  }
  const text = readFileSync(lines, 'utf8');
  const ends = { written, lines: text.split('\n').length - 1, whole: text.endsWith('}\n') };
  console.log(
    JSON.stringify({ pictures, files: readdirSync(folder).sort(), small: readFileSync(small, 'utf8'), ends }),
  );
}

main(process.argv[2] ?? '');
