import { mlp, sgd } from 'downhill';
import { rangeTest } from 'downhill/search';

/** Two range tests: one network whose rate rises, and 16 side by side with a rate each. */
export async function testRates(device, data) {
  const options = {
    model: mlp({ sizes: [data.features, 16, 10] }),
    data,
    rule: sgd({ momentum: 0.9 }),
    from: 1e-5,
    to: 10,
  };
  const sweep = await rangeTest(device, { ...options, steps: 200 });
  console.log(sweep.suggestion, sweep.steepest.lr, sweep.blowUp); // a tenth of the lowest; where it falls fastest; where it ends
  const side = await rangeTest(device, { ...options, parallel: 16, steps: 40 });
  console.log(side.suggestion); // the lowest itself, which has stood 40 steps
  return { sweep, side };
}
