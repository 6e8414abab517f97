/* Every kernel fails to compile once: the error names it, nothing was dispatched, and the next try succeeds. */
import { DownhillError } from '../../../src/index.js';
import { BufferSet, createPasses, range, type Shader } from '../../../src/kernels/index.js';
import { changeShaders, countDispatches, followBuffers } from './faults.js';
import { type DeviceCampaign, errorOf, pick, shuffled, sleep, untyped, within } from './place.js';
import { type Scene, scenes } from './scenes.js';

const HANG_MS = 120_000;

/** How a kernel's text is spoiled, for compilers to find in their several stages. */
const SPOILED: readonly ((code: string, entryPoint: string) => string)[] = [
  (code) => `${code}\nfn {`,
  (code) => `${code}\nfn broken() -> f32 { return nobody; }`,
  (code) => `${code}\nfn broken() -> u32 { return 1.5; }`,
  // A module that is sound, and no pipeline can be made of.
  (code, entryPoint) => code.replace(new RegExp(`fn ${entryPoint}\\b`), `fn another_${entryPoint}`),
];

/** Every kernel there is, by its module's path. */
const modules = import.meta.glob<Readonly<Record<string, unknown>>>('../../../src/shaders/*/**/*.gen.ts');

const isShader = (value: unknown): value is Shader =>
  typeof value === 'object' && value !== null && 'entryPoint' in value && 'bindings' in value;

async function kernels(): Promise<Shader[]> {
  const paths = Object.keys(modules).sort();
  const found = await Promise.all(paths.map(async (path) => Object.values(await modules[path]!()).filter(isShader)));
  return [...new Map(found.flat().map((shader) => [shader.name, shader])).values()];
}

/** A pass of a kernel that is never recorded: everything it binds is there. */
function passOf(shader: Shader, buffers: BufferSet) {
  const bound = shader.bindings.map(({ name, type, minSize }) => {
    const usage = type === 'uniform' ? 0x40 : 0x80;
    return [name, range(buffers.make(name, Math.max(minSize, 256), usage))];
  });
  return { label: 'torture/pass', shader, constants: {}, buffers: Object.fromEntries(bound), groups: 1, replicas: 1 };
}

const shortened = (error: unknown) => String((error as Error)?.message ?? error).slice(0, 300);

/** A kernel alone. @returns what did not hold */
async function alone(shader: Shader, device: GPUDevice, random: () => number): Promise<string[]> {
  const wrong: string[] = [];
  const spoil = pick(SPOILED, random);
  const buffers = new BufferSet(device, 'torture');
  const make = () => within(HANG_MS, 'it', createPasses(device, [passOf(shader, buffers)], buffers));
  const undo = changeShaders(device, (name, code) => (name === shader.name ? spoil(code, shader.entryPoint) : code));
  const error = await errorOf(make());
  undo();
  const kind = untyped(error, ['SHADER-COMPILE', 'LIMIT-BINDING']);
  if (kind) wrong.push(kind);
  else if (!(error as DownhillError).message.includes(shader.name)) wrong.push(`not named in: ${shortened(error)}`);
  const again = await errorOf(make());
  if (again && !isUnable(again)) wrong.push(`it could not be tried again: ${shortened(again)}`);
  buffers.destroy();
  return wrong;
}

/** Something that uses many: all are spoiled, and each is mended once an error named it. @returns what did not hold */
async function together(scene: Scene, device: GPUDevice, random: () => number): Promise<string[]> {
  const spoil = pick(SPOILED.slice(0, 3), random);
  const [mended, asked] = [new Set<string>(), new Set<string>()];
  const given = await scene.prepare(device);
  const dispatches = countDispatches(device);
  const followed = followBuffers(device);
  const undo = changeShaders(device, (name, code) => {
    if (name.startsWith('the caller')) return code;
    asked.add(name);
    return mended.has(name) ? code : spoil(code, '');
  });
  try {
    for (;;) {
      const before = dispatches.count();
      const error = await errorOf(within(HANG_MS, 'it', scene.act(device, given)).then((made) => made?.destroy()));
      if (!error) return [];
      const kind = untyped(error, ['SHADER-COMPILE']);
      if (kind) return [kind];
      const named = [...asked].filter((name) => (error as Error).message.includes(` ${name} `));
      if (named.length === 0) return [`no kernel is named in: ${shortened(error)}`];
      if (named.every((name) => mended.has(name))) return [`it could not be tried again: ${shortened(error)}`];
      if (scene.kind && dispatches.count() > before) return ['something was dispatched'];
      // Others are being compiled still, in vain.
      const live = () => (scene.lets ? [] : followed.live());
      for (let waited = 0; live().length > 0 && waited < 100; waited++) await sleep(10);
      const left = live();
      if (left.length > 0) return [`${left.length} buffers are left: ${left.slice(0, 4).join(', ')}`];
      for (const name of named) mended.add(name);
    }
  } finally {
    undo();
    followed.undo();
    dispatches.undo();
    scene.close(given);
  }
}

export const shaders: DeviceCampaign = {
  name: 'shaders',
  attacks: 'every kernel fails to compile once, alone and in the objects and calls that use it',
  unit: 'kernels and objects',
  sizes: { short: 30, full: 1000 },
  async run(context, place) {
    const all = [...(await kernels()), ...scenes];
    // Each once: what has been compiled is not compiled again.
    const chosen = context.size >= all.length ? all : shuffled(all, context.random);
    let device = await place.requestDevice();
    try {
      for await (const { index, random } of context.cases()) {
        const one = chosen[index];
        if (!one) break; // there are no more
        if ('code' in one) {
          for (const what of await alone(one, device, random)) context.fail(`${one.name}: ${what}`);
          continue;
        }
        // On a device on which nothing has been compiled.
        device.destroy();
        device = await place.requestDevice();
        for (const what of await together(one, device, random)) context.fail(`${one.name}: ${what}`);
      }
      context.figure('kernels', String(all.length - scenes.length));
    } finally {
      device.destroy();
    }
  },
};

/** A kernel that needs what the device was not asked for. */
const isUnable = (error: unknown) =>
  error instanceof DownhillError &&
  (error.code === 'LIMIT-BINDING' ||
    (error.code === 'SHADER-COMPILE' && /extension|enable|feature|limit/.test(error.message)));
