#!/usr/bin/env node
// `npx downhill <command>`, and what `npm start` runs. In a clone it first makes the machine ready; an installed package
// is ready. The command runs in this same process, so that Ctrl-C reaches it.
import { existsSync } from 'node:fs';

const args = process.argv.slice(2);
const isClone = existsSync(new URL('../src/index.ts', import.meta.url));

/** The command line, which a fresh clone does not have yet. */
const loadCli = () => import(new URL('../dist/cli/cli.js', import.meta.url).href);

/** Asks the command line what it needs before that is looked for: a mistyped flag needs nothing. */
async function prepare() {
  const { setup, setupBuild, sayFailure } = await import('./setup/setup.mjs');
  try {
    setupBuild();
    const { needs } = await loadCli();
    setup(needs(args), { names: false });
    return true;
  } catch (error) {
    sayFailure(error);
    return false;
  }
}

if (isClone && !(await prepare())) {
  process.exitCode = 1;
} else {
  const { main } = await loadCli();
  process.exitCode = await main(args);
}
