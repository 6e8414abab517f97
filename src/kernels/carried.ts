import { carriedShaders } from '../shaders/carried.gen.js';
import type { Shader } from '../shaders/shader.js';

/* Kernels that carry another one's functions, once they are loaded: forms are matched without waiting. */

const loaded = new WeakMap<Shader, Map<string, Shader>>();

/** The function that a rule's kernel is about; nothing in others. */
const ruleIn = ({ code }: Shader) => /\nfn rule\([\s\S]*?\n\}\n/.exec(code)?.[0];

/** Loads one, where there is such. A kernel of somebody else's that has the name of one of ours is not carried. */
export async function loadCarried(shader: Shader, name: string): Promise<void> {
  const load = carriedShaders[shader.name]?.[name];
  if (!load || carried(shader, name)) return;
  const made = await load();
  if (ruleIn(made) !== ruleIn(shader)) return;
  const own = loaded.get(shader) ?? new Map<string, Shader>();
  loaded.set(shader, own.set(name, made));
}

/** One that was loaded. */
export const carried = (shader: Shader, name: string): Shader | undefined => loaded.get(shader)?.get(name);
