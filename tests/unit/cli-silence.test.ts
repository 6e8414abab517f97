import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { closeWithin } from '../../harness/pages/find.js';
import { unlessSilent } from '../../harness/train/chrome.js';
import type { Emit } from '../../harness/train/events.js';

beforeEach(() => vi.useFakeTimers());
afterEach(() => vi.useRealTimers());

const never = () => new Promise<never>(() => {});

describe('a browser that tells nothing', () => {
  it('is given up after the time for a step, and later in a phase that tells nothing', async () => {
    let tell: Emit | undefined;
    const failed = vi.fn();
    const emit = vi.fn();
    const job = (told: Emit) => {
      tell = told;
      return never();
    };
    unlessSilent(60_000, emit, job).catch(failed);
    await vi.advanceTimersByTimeAsync(50_000);
    tell!({ type: 'phase', phase: 'profile' });
    await vi.advanceTimersByTimeAsync(599_000);
    tell!({ type: 'steps', steps: [] });
    await vi.advanceTimersByTimeAsync(59_000);
    expect(failed).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(2000);
    expect(failed.mock.lastCall).toMatchObject([{ code: 'BROWSER-LOST', message: expect.stringMatching(/for 60 s/) }]);
    tell!({ type: 'steps', steps: [] });
    expect(emit, 'what comes too late is not passed on').toHaveBeenCalledTimes(2);
  });
});

describe('closing a browser', () => {
  it('ends in time when it hangs, even where force does not help', async () => {
    const force = vi.fn();
    const done = vi.fn();
    void closeWithin({ close: never }, force).then(done);
    await vi.advanceTimersByTimeAsync(1900);
    expect(force).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(200);
    expect(force).toHaveBeenCalledOnce();
    expect(done).not.toHaveBeenCalled();
    await vi.advanceTimersByTimeAsync(2000);
    expect(done).toHaveBeenCalledOnce();
  });

  it('does not wait for what came, and forces nothing then', async () => {
    const force = vi.fn();
    await closeWithin({ close: async () => {} }, force);
    await closeWithin({ close: () => Promise.reject(new Error('gone')) }, force);
    expect(force).not.toHaveBeenCalled();
    expect(vi.getTimerCount()).toBe(0);
  });
});
