import { RangeFinder } from '../../search/range.js';
import { byId } from '../../shell/dom.js';
import type { Attach } from '../part.js';

/** "Find a rate", beside the rate. */
export const attach: Attach = ({ lab }) => {
  byId('find-rate').append(new RangeFinder(lab).element);
  return undefined;
};
