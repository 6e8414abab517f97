/** The scenarios that run inside a page or a process. `startup` and `bytes`, which start pages and bundlers, are beside. */
import type { Scenario } from '../contract.js';
import { gemm } from './gemm.js';
import { population } from './population.js';
import { readback } from './readback.js';
import { resolution } from './resolution.js';
import { scaling } from './scaling.js';
import { step } from './step.js';
import { update } from './update.js';

export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  step,
  scaling,
  population,
  update,
  gemm,
  readback,
  resolution,
};
