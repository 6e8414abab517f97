// The package as npm would publish it, seen by publint and by attw; part of `npm run check`. It leaves a fresh build.
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ensurePackages } from '../../harness/setup/packages.mjs';
import { npm, run } from '../../harness/setup/system.mjs';

const tools = join(import.meta.dirname, 'node_modules');
const folder = mkdtempSync(join(tmpdir(), 'downhill-pack-'));

/** @param {string} what @param {{ ok: boolean, lines: string[] }} result */
function expect(what, { ok, lines }) {
  if (ok) return true;
  process.exitCode = 1;
  process.stderr.write(`${what} says:\n${lines.join('\n')}\n`);
  return false;
}

try {
  ensurePackages(import.meta.dirname, 'checks');
  if (expect('npm pack', npm(['pack', '--pack-destination', folder]))) {
    const tarball = join(folder, readdirSync(folder)[0] ?? '');
    // ESM only: `require` finds the same modules (Node 20.19 and later), so no CommonJS build is asked for.
    const attw = [join(tools, '@arethetypeswrong/cli/dist/index.js'), tarball, '--profile', 'esm-only'];
    expect('attw', run(process.execPath, attw));
    expect('publint', run(process.execPath, [join(tools, 'publint/src/cli.js'), tarball, '--strict']));
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
