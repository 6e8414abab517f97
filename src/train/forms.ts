import { accountForms } from '../kernels/account.js';
import { augmentForms } from '../kernels/augment.js';
import { averageForms } from '../kernels/average.js';
import { loadForms } from '../kernels/nn-forms.js';
import type { Form } from '../kernels/op.js';
import { penaltyForms } from '../kernels/penalty.js';
import { UPDATER_FORMS } from '../optim/updater.js';

/**
 * The forms of everything that training is made of. Those of one op in a row are tried in order: fused ones stand first.
 *
 * @param all those for other kinds of adapters, too
 */
export const formsOf = async (device: GPUDevice, all: boolean): Promise<readonly Form[]> => [
  ...(await loadForms(device, all)),
  ...augmentForms,
  ...penaltyForms,
  ...UPDATER_FORMS,
  ...averageForms,
  ...accountForms,
];
