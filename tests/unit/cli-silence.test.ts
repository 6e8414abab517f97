import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { unlessSilent } from '../../harness/pages/job.js';
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
