#!/usr/bin/env node
// `npx downhill <command>`, and what `npm start` runs. In a clone it first makes the machine ready; an installed package
// is ready. The command runs in this same process, so that Ctrl-C reaches it.
import { existsSync } from 'node:fs';

const args = process.argv.slice(2);
const isClone = existsSync(new URL('../src/index.ts', import.meta.url));

/** @returns {Promise<boolean>} whether the command can run */
async function prepare() {
  const { setup, sayFailure } = await import('./setup/setup.mjs');
  try {
    const { needs } = await import('./setup/needs.mjs');
    await setup(needs(args));
    return true;
  } catch (error) {
    sayFailure(error);
    return false;
  }
}

if (isClone && !(await prepare())) {
  process.exitCode = 1;
} else {
  const { main } = await import('../dist/cli/cli.js');
  process.exitCode = await main(args);
}
