import { adam, sgd } from 'downhill';
import { minimize, minimizeAll, ravine, rosenbrock, stepsBelow } from 'downhill/problems';

/** A whole way in float64, without WebGPU; and three rates on a device, in the same dispatches. */
export async function walk(device) {
  const way = await minimize('cpu', rosenbrock(), adam({ lr: 0.1 }), { start: [-1.2, 1], steps: 500 });
  const runs = [0.1, 0.3, 0.9].map((lr) => ({ rule: sgd({ lr }) }));
  const ways = await minimizeAll(device, ravine(), runs, { steps: 1500 });
  return {
    end: way.points.slice(-2), // of [steps + 1, n]
    value: way.values.at(-1), // of [steps + 1]
    steps: ways.map((each) => stepsBelow(each, 1e-3).stays),
  };
}
