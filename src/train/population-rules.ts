import type { Rule } from '../optim/rule.js';
import { isDynamic, type Source } from '../optim/schedules/core.js';

/** What remembers something among a rule's schedules. */
export const sourcesOfRule = ({ hyper }: Rule): readonly Source[] =>
  [...new Set(Object.values(hyper).flat().filter(isDynamic))].flatMap(({ sources = [] }) => [...sources]);
