import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { interruptible, keeping, LEAVING } from '../../harness/common/interrupt.js';
import { unlessAborted } from '../../harness/common/waiting.js';
import { fakeIo } from '../support/cli.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const never = () => new Promise<never>(() => {});
/** Ends by the signal's reason, as soon as that comes. */
const obedient = (signal: AbortSignal) => unlessAborted<number>(signal, never());

test.each([130, 143, 129])('work that a signal ends has its exit code: %i', async (code) => {
  const io = fakeIo();
  const done = interruptible(io, keeping(io), obedient);
  io.interrupt(code);
  expect(await done).toBe(code);
  io.interrupt(code);
  expect(io.exits, 'nobody listens any more').toEqual([]);
});

test('the second signal ends the process, with its own code', async () => {
  const io = fakeIo();
  void interruptible(io, keeping(io), never);
  io.interrupt(130);
  await vi.advanceTimersByTimeAsync(400);
  expect(io.exits).toEqual([]);
  io.interrupt(143);
  expect(io.exits).toEqual([143]);
});

test('one Ctrl+C that npm hands on is one', async () => {
  const io = fakeIo();
  void interruptible(io, keeping(io), never);
  io.interrupt(130);
  await vi.advanceTimersByTimeAsync(30);
  io.interrupt(130);
  expect(io.exits).toEqual([]);
  io.interrupt(143); // another signal is meant
  expect(io.exits).toEqual([143]);
});

test('work that hangs is given up, after it was written down what there is', async () => {
  const io = fakeIo();
  const told: string[] = [];
  const ending = { withinMs: 4000, onStop: () => void told.push('stop'), onLate: async () => void told.push('late') };
  void interruptible(io, ending, never);
  io.interrupt(129);
  await vi.advanceTimersByTimeAsync(3999);
  expect([told, io.exits]).toEqual([['stop'], []]);
  await vi.advanceTimersByTimeAsync(1);
  expect([told, io.exits]).toEqual([['stop', 'late'], [129]]);
});

test('with nothing to keep it is left within a second', async () => {
  const io = fakeIo();
  void interruptible(io, LEAVING, never);
  io.interrupt(143);
  await vi.advanceTimersByTimeAsync(999);
  expect(io.exits).toEqual([143]);
});

test('work that ends all the same has its own code, and what it throws comes out', async () => {
  const io = fakeIo();
  const ending = interruptible(io, LEAVING, async (signal) => {
    await obedient(signal).catch(() => {});
    return 3;
  });
  io.interrupt();
  expect(await ending).toBe(3);
  const failing = interruptible(io, LEAVING, async (signal) => {
    await obedient(signal).catch(() => {});
    throw new Error('no');
  });
  io.interrupt();
  await expect(failing).rejects.toThrow('no');
  await vi.advanceTimersByTimeAsync(10_000);
  expect(io.exits).toEqual([]);
});

test('what comes after an abort is given back', async () => {
  const controller = new AbortController();
  const late = vi.fn();
  let arrive: (value: string) => void = () => {};
  const waiting = unlessAborted(controller.signal, new Promise<string>((resolve) => (arrive = resolve)), late);
  controller.abort();
  await expect(waiting).rejects.toBe(controller.signal.reason);
  arrive('trainer');
  await vi.advanceTimersByTimeAsync(0);
  expect(late).toHaveBeenCalledExactlyOnceWith('trainer');
});
