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
    // The doctor looks at what is there, and help needs nothing: neither may install a driver or a browser.
    const onlyLooks = args[0] === 'doctor' || args.some((arg) => ['--help', '-h', '--version', 'help'].includes(arg));
    const inChrome = args.includes('chrome') || args.includes('--in=chrome');
    await setup({ adapter: !onlyLooks && !inChrome, browser: !onlyLooks && inChrome });
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
