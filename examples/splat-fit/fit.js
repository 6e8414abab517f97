// Fits a picture with 2-D Gaussians. Forward and gradient kernels are the example's own; the update, and state that follows
// what is pruned and split, are downhill's. A host makes an encoder per frame, calls `frame` with it, draws, and submits once.
import { adam, cosine, createOptimizer } from 'downhill';
import { FIELDS, KERNELS, SPLATS, UNITS, WORDS } from './kernels.js';
import { firstSplats, psnr, replan } from './plan.js';

const TILES = 2; // a step looks at one of 2 × 2 tiles of the picture: splats out of its sight do not move
const VIEW_BYTES = 256; // what uniform offsets are multiples of
const EVERY = 50; // steps from one pruning and splitting to the next

/** The five fields of the records in `splats`, each with a rate and a unit of its own, and one mask. */
export function makeOptimizer(device, { splats, gradients, visible, count, room, steps }) {
  const field = (name, width, lr, unit) => ({
    ...{ name, shape: [count, width], reserve: room, active: visible },
    param: { buffer: splats, offset: 4 * FIELDS[name], stride: 4 * WORDS },
    grad: { buffer: gradients, offset: 4 * FIELDS[name], stride: 4 * WORDS },
    ...{ group: { lr: cosine(lr, { steps, min: lr / 10 }) }, gradients: { fixed: unit } },
  });
  const tensors = [
    field('position', 2, 0.3, UNITS.place),
    field('scale', 2, 0.06, UNITS.place),
    field('angle', 1, 0.04, UNITS.place),
    field('colour', 3, 0.02, UNITS.colour),
    field('opacity', 1, 0.1, UNITS.colour),
  ];
  return createOptimizer(device, adam({ eps: 1e-15 }), tensors, { zeroGrad: true });
}

/**
 * @param {GPUDevice} device
 * @param {object} options
 * @param {{ width: number, height: number, pixels: Float32Array }} options.target r, g, b in 0 … 1 for each pixel
 * @param {number} options.count splats at first
 * @param {number} options.room splats there may be
 * @param {number} options.steps the rates fall to a tenth over so many; for two thirds of them splats come and go
 * @param {boolean} [options.masked] whether splats out of sight are left alone
 */
export async function createFit(device, { target, count, room, steps, masked = true }) {
  const { width, height, pixels } = target;
  const { STORAGE, UNIFORM, COPY_DST, COPY_SRC, MAP_READ } = GPUBufferUsage;
  const make = (size, usage = STORAGE | COPY_DST | COPY_SRC) => device.createBuffer({ size, usage });
  const [splats, gradients] = [make(4 * WORDS * room), make(4 * WORDS * room)];
  const [goal, picture] = [make(pixels.byteLength), make(pixels.byteLength)];
  const [visible, unused] = [make(4 * room), make(4 * room)]; // by the last step, and by whole drawings
  const views = make(VIEW_BYTES * (TILES * TILES + 1), UNIFORM | COPY_DST);
  const staging = make(splats.size + picture.size + visible.size, COPY_DST | MAP_READ);
  const buffers = { splats, gradients, goal, picture, visible, unused, views, staging };
  device.queue.writeBuffer(goal, 0, pixels);
  device.queue.writeBuffer(splats, 0, firstSplats(target, count));

  const { COMPUTE } = GPUShaderStage;
  const types = ['uniform', 'read-only-storage', 'read-only-storage', 'storage', 'storage', 'storage'];
  const layout = device.createBindGroupLayout({
    entries: types.map((type, binding) => ({ binding, visibility: COMPUTE, buffer: { type } })),
  });
  const module = device.createShaderModule({ code: KERNELS });
  const pipeline = (entryPoint) =>
    device.createComputePipelineAsync({
      layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
      compute: { module, entryPoint },
    });
  const [draw, gradient] = await Promise.all([pipeline('draw'), pipeline('gradient')]);
  const groups = Array.from({ length: TILES * TILES + 1 }, (_, i) => {
    const view = { buffer: views, offset: VIEW_BYTES * i, size: 32 };
    const mask = i < TILES * TILES ? visible : unused;
    const bound = [view, ...[splats, goal, picture, mask, gradients].map((buffer) => ({ buffer }))];
    return device.createBindGroup({ layout, entries: bound.map((resource, binding) => ({ binding, resource })) });
  });
  const whole = groups.at(-1);

  const mask = masked ? visible : undefined;
  const optimizer = await makeOptimizer(device, { splats, gradients, visible: mask, count, room, steps });
  let step = 0;
  writeViews();

  /** The tiles, and last the whole picture. */
  function writeViews() {
    for (let i = 0; i <= TILES * TILES; i++) {
      const [x, y, parts] = i < TILES * TILES ? [i % TILES, Math.floor(i / TILES), TILES] : [0, 0, 1];
      const edge = (size, k) => Math.floor((size * k) / parts);
      const low = [edge(width, x), edge(height, y)];
      const high = [edge(width, x + 1), edge(height, y + 1)];
      device.queue.writeBuffer(views, VIEW_BYTES * i, Int32Array.of(...low, ...high, width, count));
    }
  }

  function dispatch(pass, pipeline, group) {
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.dispatchWorkgroups(1, Math.ceil(count / SPLATS));
  }

  return {
    optimizer,
    buffers,
    get count() {
      return count;
    },
    get steps() {
      return step;
    },

    /** Records what belongs to a frame: a step, and before every fiftieth what goes and comes. Submit it before the next. */
    async frame(encoder) {
      if (step > 0 && step % EVERY === 0 && step < (2 / 3) * steps) await this.densify(encoder);
      this.step(encoder);
    },

    /** Records a step: forward, gradient and update, all in one pass. */
    step(encoder) {
      const tile = groups[step++ % (TILES * TILES)];
      encoder.clearBuffer(picture);
      const pass = encoder.beginComputePass();
      dispatch(pass, draw, tile);
      dispatch(pass, gradient, tile);
      optimizer.step(pass); // leaves the gradients of what it moved cleared
      pass.end();
    },

    /** Records the whole picture as it is now into `buffers.picture`: i32, in UNITS.picture. */
    draw(encoder) {
      encoder.clearBuffer(picture);
      const pass = encoder.beginComputePass();
      dispatch(pass, draw, whole);
      pass.end();
    },

    /** Prunes, splits, sorts and adds splats: looks at them as they are now, and records that state follows. */
    async densify(encoder) {
      const now = await this.look();
      const { tensors } = await optimizer.state();
      const { kept, fresh, started, records } = replan(target, now, tensors.position.exp_avg_sq, room);
      optimizer.gather(encoder, kept); // splat i is then what kept[i] was
      optimizer.reset(encoder, started); // halves begin without momentum
      optimizer.grow(encoder, kept.length + fresh);
      count = kept.length + fresh;
      device.queue.writeBuffer(splats, 0, records);
      writeViews();
    },

    /** What is there, read back: records, the picture in floats, and who was in sight of the last step. */
    async look() {
      const encoder = device.createCommandEncoder();
      this.draw(encoder);
      encoder.copyBufferToBuffer(splats, 0, staging, 0, splats.size);
      encoder.copyBufferToBuffer(picture, 0, staging, splats.size, picture.size);
      encoder.copyBufferToBuffer(visible, 0, staging, splats.size + picture.size, visible.size);
      device.queue.submit([encoder.finish()]);
      await staging.mapAsync(GPUMapMode.READ);
      const bytes = staging.getMappedRange().slice();
      staging.unmap();
      const drawn = Float32Array.from(new Int32Array(bytes, splats.size, pixels.length), (i) => i * UNITS.picture);
      const seen = new Uint32Array(bytes, splats.size + picture.size, count);
      return { records: new Float32Array(bytes, 0, WORDS * count), drawn, seen, psnr: psnr(drawn, pixels) };
    },

    destroy() {
      optimizer.destroy();
      for (const buffer of Object.values(buffers)) buffer.destroy();
    },
  };
}
