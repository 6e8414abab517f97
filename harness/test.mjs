// `npm test`: makes the machine ready (packages, build, adapter, browser), runs every test but tests/slow, says which were
// skipped and why and which passed only at the second try, and ends with the plain line "N passed, N failed[, N skipped]".
// Arguments go to vitest; those that name tests/slow (npm test -- --project slow) also have the peers installed and built.

import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { ROOT, sayFailure, setup } from './setup/setup.mjs';

/**
 * A line for each test that failed, with the first line of why: of a long log a person reads the end, and a CI may keep no more.
 * @param {any[]} files @returns {string[]}
 */
function failures(files) {
  return files.flatMap(({ name, status, message, assertionResults }) => {
    const file = path.relative(ROOT, name);
    const say = (/** @type {string} */ what, /** @type {string | undefined} */ why) =>
      `${what}: ${stripVTControlCharacters(why ?? '').split('\n', 1)[0]}`;
    const tests = assertionResults.filter((/** @type {any} */ test) => test.status === 'failed');
    if (status === 'failed' && tests.length === 0) return [say(file, message)];
    return tests.map((/** @type {any} */ test) => say(`${file} > ${test.fullName}`, test.failureMessages[0]));
  });
}

/** @param {string[]} args @returns {{ passed: number, failed: number, skipped: number }} */
function runTests(args) {
  const folder = mkdtempSync(path.join(tmpdir(), 'downhill-test-'));
  const report = path.join(folder, 'report.json');
  try {
    const { status } = spawnSync(
      process.execPath,
      [
        'node_modules/vitest/vitest.mjs',
        'run',
        '--reporter=default',
        '--reporter=json',
        '--reporter=./harness/skipped.ts',
        '--reporter=./harness/second-try.ts',
        '--reporter=./tests/support/budgets.ts',
        `--outputFile.json=${report}`,
        ...args,
      ],
      { cwd: ROOT, stdio: 'inherit' },
    );
    const { numPassedTests, numFailedTests, numPendingTests, numTodoTests, testResults } = JSON.parse(
      readFileSync(report, 'utf8'),
    );
    // A file that fails outside its tests, or an error nobody caught, is a failure too.
    const files = testResults.filter(
      (/** @type {any} */ file) => file.status === 'failed' && file.assertionResults.length === 0,
    ).length;
    const failed = numFailedTests + files;
    for (const line of failures(testResults)) console.log(`failed: ${line}`);
    return {
      passed: numPassedTests,
      failed: failed === 0 && status !== 0 ? 1 : failed,
      skipped: numPendingTests + numTodoTests,
    };
  } catch (error) {
    console.error(error);
    return { passed: 0, failed: 1, skipped: 0 };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

try {
  const args = process.argv.slice(2);
  const slow = args.some((arg) => /\bslow\b/.test(arg));
  const chosen = slow || args.some((arg) => arg.startsWith('--project'));
  setup({ adapter: true, browser: true, peers: slow });
  const { passed, failed, skipped } = runTests(chosen ? args : ['--project=!slow', ...args]);
  console.log(`\n${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ''}`);
  process.exitCode = failed === 0 && passed > 0 ? 0 : 1;
} catch (error) {
  sayFailure(error);
  console.log('\n0 passed, 1 failed');
  process.exitCode = 1;
}
