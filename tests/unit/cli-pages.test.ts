import { mkdirSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { main } from '../../harness/cli.js';
import { page } from '../../harness/pages/command.js';
import { fakeIo, scratch } from '../support/cli.js';

/* `downhill page` with two small pages in place of the built ones, which tests/browser/page-doors.test.ts opens. */

const folder = scratch();
afterAll(folder.remove);

const POLICY = "default-src 'none'; script-src 'self'";
const withPolicy = (text: string) =>
  `<!doctype html><meta\n  http-equiv="Content-Security-Policy"\n  content="${POLICY}"\n/>${text}`;

beforeAll(() => {
  mkdirSync(folder.path('pages'));
  writeFileSync(folder.path('pages/index.html'), withPolicy('home'));
  writeFileSync(folder.path('pages/bare.html'), '<!doctype html>bare');
});

/** Runs it until `work` is through with the address it printed, then presses Ctrl+C. */
async function serving(args: readonly string[], work: (url: string, text: string) => Promise<void>): Promise<number> {
  const io = fakeIo();
  const ended = page(args, io, folder.path('pages'));
  await expect.poll(io.out).toMatch(/ends it/);
  await work(/http:\S+/.exec(io.out())![0], io.out()).finally(() => io.interrupt());
  return ended;
}

describe('downhill page', () => {
  it('serves the pages until Ctrl+C, each with the policy that it states itself', async () => {
    let address = '';
    const code = await serving(['--port', '0'], async (url, text) => {
      address = url;
      expect(text).toMatch(/^\n {2}Open {2}http:\/\/127\.0\.0\.1:\d+\/\n/);
      const home = await fetch(url);
      expect(await home.text()).toContain('home');
      expect(home.headers.get('content-security-policy')).toBe(`${POLICY}; frame-ancestors 'none'`);
      const named = await fetch(`${url}index.html?x#y`);
      expect(named.headers.get('content-security-policy')).toBe(`${POLICY}; frame-ancestors 'none'`);
      const bare = await fetch(`${url}bare.html`);
      expect(bare.headers.get('content-security-policy')).toMatch(/^default-src 'self'/);
    });
    expect(code).toBe(130);
    await expect(fetch(address)).rejects.toThrow();
  });

  it('takes the port it is told, and says when another has it', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as AddressInfo;
    const start = page(['--port', String(port)], fakeIo(), folder.path('pages'));
    await expect(start).rejects.toMatchObject({ code: 'OPTION-RANGE', message: expect.stringContaining(String(port)) });
    await new Promise((resolve) => other.close(resolve));
    const code = await serving(['--port', String(port)], async (url) => expect(new URL(url).port).toBe(String(port)));
    expect(code).toBe(130);
  });

  it('has the same port whenever it can, and else a free one', async () => {
    await serving([], async (first, said) => {
      // Where a page of somebody's runs on this machine already, both are elsewhere.
      const usual = !said.includes('is taken');
      await serving([], async (second, text) => {
        expect(text).toContain('Port 7531 is taken');
        expect(second).not.toBe(first);
        expect(usual ? new URL(first).port : '7531').toBe('7531');
      });
    });
  });

  it.each([
    [['--port', 'x'], /--port must be an integer/],
    [['--port', '65536'], /from 0 to 65535/],
    [['--port'], /--port needs a value/],
    [['--prot', '1'], /has no flag --prot/],
    [['now'], /takes flags only/],
    [['--open=1'], /is a switch/],
  ])('refuses %j', async (args, message) => {
    const io = fakeIo();
    expect(await main(['page', ...args], io)).toBe(2);
    expect(io.err()).toMatch(message);
    expect(io.out()).toBe('');
  });

  it('says what to do where the pages are not built', async () => {
    const start = page([], fakeIo(), folder.path('nowhere'));
    await expect(start).rejects.toMatchObject({ code: 'INTERNAL', fix: 'Run: npm run build' });
  });

  it('has a help, and a line in that of all commands', async () => {
    const [own, all] = [fakeIo(), fakeIo()];
    expect(await main(['page', '--help'], own)).toBe(0);
    expect(own.out()).toMatch(/--port N[\s\S]*--open/);
    expect(await main(['help'], all)).toBe(0);
    expect(all.out()).toMatch(/page +serve the page/);
  });
});
