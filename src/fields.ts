/**
 * For rules of one's own: `defineRule` makes a rule of a row, whose options are fields made with `number`, `pair`, `flag` …
 * docs/adding-a-rule.md goes through one.
 *
 * @module downhill/fields
 */
export {
  type ChoiceField,
  checkField,
  choice,
  describeField,
  type Field,
  type Fields,
  type FlagField,
  flag,
  type HyperOf,
  type IntegerField,
  integer,
  type NumberField,
  number,
  type OptionsOf,
  pair,
  type Range,
  type Schedule,
  type SettingsOf,
  type TupleField,
  triple,
} from './gpu/fields.js';
export { common, convention, defineRule, on, type Rule, type RuleRow } from './optim/rule.js';
