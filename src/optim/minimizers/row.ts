import type { Fields, OptionsOf } from '../../gpu/fields.js';
import type { Shader } from '../../shaders/shader.js';
import type { MinimizerModule } from '../minimizer.js';
import { defineRule, type Rule, type RuleRow } from '../rule.js';

/** No kernel updates a caller's buffers for it. */
const NONE: Shader = { name: '', code: '', entryPoint: '', bindings: [], overrides: {}, structs: {} };

/** Makes the public function of a minimizer from its row: a rule for trainers, not for `createOptimizer`. */
export const defineMinimizer = <const F extends Fields>(
  row: Omit<RuleRow<F>, 'shader' | 'slots' | 'derive'> & { readonly minimizer: () => Promise<MinimizerModule<Rule>> },
): ((options?: OptionsOf<F>) => Rule<F>) & { readonly row: RuleRow<F> } =>
  defineRule<F>({ ...row, shader: NONE, slots: () => [], derive: () => ({}) });
