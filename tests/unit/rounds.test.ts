import { describe, expect, it } from 'vitest';
import { type Clock, FAULT } from '../../src/kernels/advance.js';
import { Rounds, STOPS } from '../../src/optim/minimizers/rounds.js';

const clock = (step: number, fault = 0): Clock => ({
  ...{ step, count: step, fault, skipped: 0, streak: 0, micro: 0, grad_norm: 0, fate: 0 },
});
const ended = (step: number) => clock(step, FAULT.halted | STOPS.gradient);
const rounds = () => new Rounds([], () => {});

describe('what the host knows of rounds', () => {
  it('takes back what was issued behind the end', () => {
    const own = rounds();
    own.issue(40);
    own.see([ended(33)]);
    expect(own.stopped).toBe('gradient');
    expect(own.issued).toBe(33);
  });

  it('goes on although a submit that was under way tells of the end before', () => {
    const own = rounds();
    own.issue(40);
    own.see([ended(33)]);
    own.resumed();
    own.see([ended(33)]);
    expect(own.stopped).toBeUndefined();
    own.issue(8);
    own.see([ended(34)]);
    expect(own.stopped).toBe('gradient');
    expect(own.issued).toBe(34);
  });

  it('is where a clock is that was loaded, whatever was before', () => {
    const own = rounds();
    own.see([ended(33)]);
    own.resumed();
    own.restart(ended(20));
    expect(own.stopped).toBe('gradient');
    expect(own.issued).toBe(20);
  });
});
