import { afterEach, beforeAll, beforeEach, expect, test, vi } from 'vitest';
import { csv } from '../../src/csv.js';
import { DownhillError } from '../../src/gpu/errors.js';
import { encodeNpy, idx, npy } from '../../src/index.js';

/* Servers that stop in the middle, or send so little that nobody lives to see the end. */

const SECOND = 1000;
const LABELS = Uint8Array.from([0, 0, 8, 1, 0, 0, 0, 2, 0, 1]);

// It comes when it is needed, over real time: the clock below would have run out before it waits.
beforeAll(() => import('../../src/data/npz.js'));
beforeEach(() => void vi.useFakeTimers());
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** A body that gives `bytes` at once, then `drop` bytes every second. */
function body(bytes: number, drop: number): ReadableStream<Uint8Array> {
  let timer: ReturnType<typeof setInterval>;
  return new ReadableStream({
    start(controller) {
      controller.enqueue(new Uint8Array(bytes).fill(65));
      if (drop > 0) timer = setInterval(() => controller.enqueue(new Uint8Array(drop).fill(65)), SECOND);
    },
    cancel: () => clearInterval(timer),
  });
}

const answer = (bytes: number, drop: number) =>
  new Response(body(bytes, drop), { headers: { 'content-length': '9000' } });

async function givenUp(work: Promise<unknown>): Promise<DownhillError> {
  const failed = work.then(
    () => undefined,
    (error: unknown) => error,
  );
  await vi.advanceTimersByTimeAsync(200 * SECOND);
  const error = await failed;
  expect(error).toBeInstanceOf(DownhillError);
  return error as DownhillError;
}

const READERS: readonly [string, (source: Response) => Promise<unknown>][] = [
  ['idx', (images) => idx({ images, labels: LABELS })],
  ['npy', (x) => npy({ x, y: encodeNpy(new Float32Array(2), [2]) })],
  ['an archive', (archive) => npy({ archive })],
  ['csv', (source) => csv(source, { target: 'a' })],
];

test.each(READERS)('%s gives a silent server up, with what there is', async (_, read) => {
  const { code, message } = await givenUp(read(answer(1234, 0)));
  expect(code).toBe('DATA-NOT-FOUND');
  expect(message).toContain('the server sent only 1,234 bytes in 30 s, after 1,234 of 9,000 bytes');
});

test.each(READERS)('%s gives a server of 1 byte a second up', async (_, read) => {
  const { code, message } = await givenUp(read(answer(100_000, 1)));
  expect(code).toBe('DATA-NOT-FOUND');
  expect(message).toMatch(/the server sent only (29|30) bytes in 30 s, after 100,0(29|30) of 9,000 bytes/);
});

test('a server that is slow, but comes to an end, is waited for', async () => {
  let given = 0;
  const stream = new ReadableStream<Uint8Array>({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 20 * SECOND));
      if (given++ === 10) controller.close();
      else controller.enqueue(new TextEncoder().encode(`a,b\n`.repeat(10_000)));
    },
  });
  const reading = csv(new Response(stream), { target: 'a', header: false }).catch((error: DownhillError) => error);
  await vi.advanceTimersByTimeAsync(300 * SECOND);
  expect(String(await reading)).not.toContain('given up');
});

test('an address that nobody answers at', async () => {
  vi.stubGlobal(
    'fetch',
    (_: string, { signal }: { signal: AbortSignal }) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  );
  const { code, message } = await givenUp(idx({ images: 'http://a/images', labels: LABELS }));
  expect(code).toBe('DATA-NOT-FOUND');
  expect(message).toContain('(http://a/images) was given up: the server sent nothing for 30 s, after 0 bytes');
});

test('nothing waits on when all is there', async () => {
  await expect(csv(new Response('a,b\n1,2\n3,4\n'), { target: 'a' })).resolves.toMatchObject({ samples: 2 });
  expect(vi.getTimerCount()).toBe(0);
});
