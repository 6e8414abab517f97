import { adam } from 'downhill';
import { minimize, ravine } from 'downhill/problems';

const { values, points } = await minimize('cpu', ravine(), adam({ lr: 0.1 }), { steps: 300 }); // float64, no WebGPU
console.log(`f = ${values.at(-1)} at ${points.slice(-2)}`);
