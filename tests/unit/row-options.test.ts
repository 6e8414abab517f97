import { describe, expect, it } from 'vitest';
import { linearWords } from '../../src/optim/row-options.js';
import { recordFor, resolveRule } from '../../src/optim/rule.js';
import { rules } from '../../src/optim/rules.gen.js';
import { ruleNames } from '../support/rule-cases.js';

/* What a factor of the learning rate is a factor of, in each rule's record. */

/** Whose rate is no factor: in the state it starts with, or by a function. */
const REFUSED: Readonly<Record<string, RegExp>> = { rprop: /only to start with/, asgd: /by a function of it/ };

describe('linearWords', () => {
  it.each(ruleNames)('are those of %s that a factor changes by itself, or the rule is refused', (name) => {
    const rule = (factor: number) => resolveRule(rules, name, { lr: 2 ** -7 * factor });
    const refused = REFUSED[name];
    if (refused) {
      expect(() => linearWords('Tensor "w": rates', rule(1))).toThrow(refused);
      return;
    }
    const words = linearWords('Tensor "w": rates', rule(1));
    const [one, other] = [rule(1), rule(0.25)].map((each) => recordFor(each, 3));
    for (const [field, { offset }] of Object.entries(rule(1).row.shader.structs.Hyper!.fields)) {
      const factor = (words >> (offset / 4)) & 1 ? 0.25 : 1;
      expect([field, other![field]]).toEqual([field, one![field]! * factor]);
    }
  });

  it('are refused where the decay goes by a function of the rate', () => {
    expect(() => linearWords('here', resolveRule(rules, 'adan', { weightDecay: 0.1 }))).toThrow(/decay/);
  });
});
