/** Addresses that lead out of a server's folder, on each of our servers: nothing of what lies outside may ever be sent. */
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { type Served, serve } from '../pages/server.js';
import type { Campaign } from './campaign.js';
import { below, pick, type Random } from './mutate.js';

const SECRET = 'not for the page';

/** 83 of them. FOLDER stands for the folder above the served one, PORT for the server's port. */
export const FORMS: readonly string[] = [
  // Dots as they are.
  ...[
    '/../secret.txt',
    '/../../secret.txt',
    '/assets/../../secret.txt',
    '/./../secret.txt',
    '/assets/./../../secret.txt',
  ],
  ...[
    '//../secret.txt',
    '///../secret.txt',
    '/..//secret.txt',
    '/assets//..//../secret.txt',
    '/../root-sibling/secret.txt',
  ],
  ...[
    '/secret.txt/..',
    '/...',
    '/.../secret.txt',
    '/....//secret.txt',
    '/..;/secret.txt',
    '/..?/secret.txt',
    '/..#/secret.txt',
  ],
  // Encoded once, twice, three times, and in ways that are none.
  ...['/%2e%2e/secret.txt', '/%2E%2E/secret.txt', '/.%2e/secret.txt', '/%2e./secret.txt', '/..%2fsecret.txt'],
  ...['/..%2Fsecret.txt', '/%2e%2e%2fsecret.txt', '/assets%2f..%2f..%2fsecret.txt', '/%252e%252e/secret.txt'],
  ...['/..%252fsecret.txt', '/%25252e%25252e/secret.txt', '/%c0%ae%c0%ae/secret.txt', '/%e0%80%ae%e0%80%ae/secret.txt'],
  ...['/%f0%80%80%ae%f0%80%80%ae/secret.txt', '/..%c0%afsecret.txt', '/..%c1%9csecret.txt', '/..%u2215secret.txt'],
  ...[
    '/%u002e%u002e/secret.txt',
    '/\uff0e\uff0e/secret.txt',
    '/%ef%bc%8e%ef%bc%8e/secret.txt',
    '/%',
    '/%zz',
    '/%2',
    '/%2e',
  ],
  // Windows: its other separator, drives, streams, short names, devices.
  ...['/..\\secret.txt', '\\..\\secret.txt', '/..%5csecret.txt', '/..%5Csecret.txt', '/assets\\..\\..\\secret.txt'],
  ...[
    '/%2e%2e%5csecret.txt',
    '/C:/secret.txt',
    '/c:secret.txt',
    '/index.html::$DATA',
    '/INDEX~1.HTM',
    '/con',
    '//server/share',
  ],
  // Ends of texts, and characters that control.
  ...[
    '/%00',
    '/index.html%00.txt',
    '/../secret.txt%00.html',
    '/index.html%0a',
    '/index.html%0d%0aX: y',
    '/%7f',
    '/%1b[2J',
  ],
  // Links, and what is hidden.
  ...[
    '/link.txt',
    '/out/secret.txt',
    '/out/root/../secret.txt',
    '/out',
    '/out/',
    '/.env',
    '/%2eenv',
    '/assets/../.env',
    '/./.env',
    '/index.html/../../secret.txt',
    '/assets/app.js/..//../../secret.txt',
    '/assets/.git/config',
  ],
  // Not paths of ours at all.
  ...['FOLDER/secret.txt', '/FOLDER/secret.txt', 'file://FOLDER/secret.txt', 'http://127.0.0.1:PORT/../secret.txt'],
  ...[
    '?/../secret.txt',
    '*',
    '..',
    'secret.txt',
    '/@fs/FOLDER/secret.txt',
    '/@fs/FOLDER/secret.txt?raw??',
    '/proc/self/environ',
  ],
];

const PIECES = [
  '..',
  '.',
  '',
  'assets',
  'out',
  'root',
  'secret.txt',
  '.env',
  'link.txt',
  'root-sibling',
  '...',
  '..;',
  'data',
];
const MARKS = ['/', '\\', '%2f', '%5c', '//', '%252f', '%00', '/./', '?', '#'];

/** What no list has. */
function drawn(random: Random): string {
  let path = '';
  for (let n = 1 + below(random, 7); n > 0; n--) {
    const piece = pick(random, PIECES);
    const dots = pick(random, ['.', '.', '%2e', '%252e', '%c0%ae']);
    path += pick(random, ['/', '/', '/', ...MARKS]) + piece.replaceAll('.', dots);
  }
  return path;
}

export const paths: Campaign = {
  name: 'paths',
  attacks: 'asks each server for what lies outside its folder',
  unit: 'addresses',
  // The list on three servers, and as many again that are drawn; then many more of those.
  sizes: { short: 6 * FORMS.length, full: 20_000 },
  async run({ cases, fail, folder, figure }) {
    const servers = await startAll(folder);
    const kinds = Object.keys(servers);
    const statuses: Record<string, number> = {};
    try {
      for (const { index, random } of cases()) {
        const kind = kinds[index % kinds.length]!;
        const form = FORMS[Math.floor(index / kinds.length)] ?? drawn(random);
        const port = new URL(servers[kind]!.url).port;
        const target = form.replaceAll('FOLDER', folder).replaceAll('PORT', port);
        const answer = await ask(port, target);
        const status = answer.split(' ', 2)[1] ?? 'none';
        statuses[status] = (statuses[status] ?? 0) + 1;
        if (answer.includes(SECRET)) fail(`${kind}: ${JSON.stringify(form)} is answered with the secret.`);
        // 200 where it leads to a file inside after all; 400 by Node, whose parser refuses some before we see them.
        if (!/^(200|400|403|404)$/.test(status)) fail(`${kind}: ${JSON.stringify(form)} is answered with ${status}.`);
      }
    } finally {
      for (const { close } of Object.values(servers)) await close();
    }
    for (const [status, n] of Object.entries(statuses)) figure(`status ${status}`, String(n));
  },
};

/** A folder to serve with a secret beside it, as `downhill page`, runs in Chrome and `bench` serve theirs. */
async function startAll(folder: string): Promise<Readonly<Record<string, Served>>> {
  const root = join(folder, 'root');
  for (const path of ['assets/.git', '../root-sibling']) mkdirSync(join(root, path), { recursive: true });
  for (const path of ['../secret.txt', '../root-sibling/secret.txt', '.env', 'assets/.git/config'])
    writeFileSync(join(root, path), SECRET);
  writeFileSync(join(root, 'index.html'), '<!doctype html>home');
  writeFileSync(join(root, 'assets/app.js'), 'export {};');
  symlinkSync(join(folder, 'secret.txt'), join(root, 'link.txt'));
  symlinkSync(folder, join(root, 'out'));
  return {
    page: await serve(root, { policies: { '/index.html': "default-src 'self'" } }),
    run: await serve(root, { files: { '/data/images': join(root, 'index.html') } }),
    bench: await serve(root, { wasm: true }),
  };
}

/** Sends bytes as they are: fetch would tidy the path before it leaves. */
function ask(port: string, target: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), '127.0.0.1');
    let answer = '';
    socket.setEncoding('latin1');
    socket.on('data', (chunk) => {
      answer += chunk;
    });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
    socket.write(
      Buffer.from(`GET ${target} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: close\r\n\r\n`, 'latin1'),
    );
  });
}
