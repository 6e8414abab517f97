import { createOptimizer, sgd } from 'downhill';

/** A colour per point that learns ten times faster than its position, and a camera that does not move. */
export const makeOptimizer = (device, { positions, colours, camera }) =>
  createOptimizer(device, sgd({ lr: 0.01, momentum: 0.9 }), [
    { name: 'positions', shape: [1000, 3], param: positions.values, grad: positions.gradient },
    { name: 'colours', shape: [1000, 4], param: colours.values, grad: colours.gradient, group: { lr: 0.1 } },
    { name: 'camera', shape: [16], param: camera.values, grad: camera.gradient, frozen: true },
  ]);
