import { beforeEach, expect, test, vi } from 'vitest';
import { installChromium } from '../../harness/setup/chromium.mjs';

/** What each step of an install answers; a test sets it. */
const answers = vi.hoisted(() => ({ apt: true, download: true, libraries: true, install: true }));
const said = vi.hoisted(() => [] as string[]);

vi.mock('../../harness/setup/system.mjs', () => {
  const answer = (ok: boolean) => ({ ok, lines: ok ? [] : ['Downloading', 'Error: no route to host', 'see the log'] });
  return {
    ROOT: '/',
    run: () => answer(answers.download),
    asRoot: () => answer(answers.libraries),
    aptInstall: () => answer(answers.install),
    mayUseApt: () => answers.apt,
    say: (_topic: string, text: string) => said.push(text),
  };
});

beforeEach(() => {
  Object.assign(answers, { apt: true, download: true, libraries: true, install: true });
  said.length = 0;
});

const REASON = 'Error: no route to host';

test('says why it downloads a browser', () => {
  installChromium('there is none');
  expect(said[0]).toMatch(/because there is none$/);
  expect(said.join()).not.toMatch(/fail|could not/);
});

test('says when the libraries of the browser could not be installed', () => {
  answers.libraries = false;
  installChromium('there is none');
  expect(said.at(-1)).toBe(`it may not start, because they could not be installed: ${REASON}`);
});

test('says why the download failed, and goes on to apt only where it may', () => {
  answers.download = false;
  installChromium('there is none');
  expect(said.slice(1)).toEqual([
    `the download failed: ${REASON}`,
    "installing the system's instead (apt-get install chromium)",
  ]);
  said.length = 0;
  answers.apt = false;
  installChromium('there is none');
  expect(said.at(-1)).toBe(`the download failed: ${REASON}`);
});

test('says why apt failed, too', () => {
  Object.assign(answers, { download: false, install: false });
  installChromium('there is none');
  expect(said.at(-1)).toBe(`could not be installed: ${REASON}`);
});
