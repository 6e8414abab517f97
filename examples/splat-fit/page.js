import { requestDevice } from 'downhill';
import { createFit } from './fit.js';
import { FIELDS, UNITS, WORDS } from './kernels.js';
import { drawnPicture } from './plan.js';

const STEPS = 600;
const [log, file, goal, drawn, seen] = ['log', 'file', 'goal', 'drawn', 'seen'].map((id) =>
  document.getElementById(id),
);

// One triangle over the canvas; a fragment is a pixel of the picture.
const SHOW = (width) => /* wgsl */ `
@group(0) @binding(0) var<storage, read> picture: array<i32>;
@vertex fn corner(@builtin(vertex_index) i: u32) -> @builtin(position) vec4f {
  return vec4f(f32(i / 2u) * 4.0 - 1.0, f32(i % 2u) * 4.0 - 1.0, 0.0, 1.0);
}
@fragment fn colour(@builtin(position) at: vec4f) -> @location(0) vec4f {
  let i = 3u * (u32(at.y) * ${width}u + u32(at.x));
  return vec4f(vec3f(vec3i(picture[i], picture[i + 1u], picture[i + 2u])) * ${UNITS.picture}, 1.0);
}`;

function showGoal({ width, height, pixels }) {
  for (const canvas of [goal, drawn]) Object.assign(canvas, { width, height });
  seen.height = (seen.width * height) / width;
  const bytes = Uint8ClampedArray.from({ length: 4 * width * height }, (_, i) =>
    i % 4 === 3 ? 255 : 255 * pixels[3 * Math.floor(i / 4) + (i % 4)],
  );
  goal.getContext('2d').putImageData(new ImageData(bytes, width, height), 0, 0);
}

/** Each splat's ellipse, from the records that were read back. */
function showSplats({ records, seen: moved }, width) {
  const context = seen.getContext('2d');
  const zoom = seen.width / width;
  context.clearRect(0, 0, seen.width, seen.height);
  for (const [i, visible] of moved.entries()) {
    const splat = records.subarray(WORDS * i, WORDS * (i + 1));
    const [x, y, ...size] = splat.subarray(FIELDS.position, FIELDS.scale + 2);
    context.beginPath();
    context.ellipse(zoom * x, zoom * y, ...size.map((s) => zoom * Math.exp(s)), splat[FIELDS.angle], 0, 2 * Math.PI);
    context.strokeStyle = visible ? '#fb4' : '#777';
    context.stroke();
  }
}

/** Fits until all steps are done or another picture is chosen. */
async function fitOnPage(device, target, signal) {
  showGoal(target);
  const fit = await createFit(device, { target, count: 200, room: 400, steps: STEPS });
  const context = drawn.getContext('webgpu');
  const format = navigator.gpu.getPreferredCanvasFormat();
  context.configure({ device, format });
  const module = device.createShaderModule({ code: SHOW(target.width) });
  const pipeline = await device.createRenderPipelineAsync({
    ...{ layout: 'auto', vertex: { module } },
    fragment: { module, targets: [{ format }] },
  });
  const resource = { buffer: fit.buffers.picture };
  const group = device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries: [{ binding: 0, resource }] });

  while (fit.steps < STEPS && !signal.aborted) {
    await new Promise(requestAnimationFrame);
    const encoder = device.createCommandEncoder();
    await fit.frame(encoder);
    fit.draw(encoder);
    const view = context.getCurrentTexture().createView();
    const pass = encoder.beginRenderPass({ colorAttachments: [{ view, loadOp: 'clear', storeOp: 'store' }] });
    pass.setPipeline(pipeline);
    pass.setBindGroup(0, group);
    pass.draw(3);
    pass.end();
    device.queue.submit([encoder.finish()]); // the frame's only one
    if (fit.steps % 25 !== 0) continue;
    const now = await fit.look();
    showSplats(now, target.width);
    log.textContent = `step ${fit.steps}: ${fit.count} splats, ${now.psnr.toFixed(1)} dB`;
  }
  fit.destroy();
}

/** The picture in a file, in 128 pixels of width. */
async function pictureOf(blob) {
  const image = await createImageBitmap(blob);
  const [width, height] = [128, Math.max(16, Math.round((128 * image.height) / image.width))];
  const context = new OffscreenCanvas(width, height).getContext('2d');
  context.drawImage(image, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  return {
    width,
    height,
    pixels: Float32Array.from(
      data.filter((_, i) => i % 4 !== 3),
      (byte) => byte / 255,
    ),
  };
}

const chosen = () =>
  new Promise((resolve) => {
    file.onchange = () => file.files[0] && resolve(pictureOf(file.files[0]));
  });

try {
  const device = await requestDevice();
  let target = drawnPicture(64, 64);
  for (;;) {
    const run = new AbortController();
    const next = chosen();
    const end = () => run.abort();
    next.then(end, end);
    await fitOnPage(device, target, run.signal);
    target = await next;
  }
} catch (error) {
  log.textContent = String(error);
}
