import { WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import type { Shader, ShaderBinding, ShaderStruct } from '../../src/kernels/index.js';

/*
 * Reads a .wgsl file's layouts, so that no offset, binding number or override name is ever typed by hand.
 * wgsl_reflect is a parser, not a validator: tests/wgsl runs Tint and naga over the same files.
 */

const SCALARS = ['f32', 'u32', 'i32'] as const;
type Scalar = (typeof SCALARS)[number];

/** The bytes of one element of a binding's array, or of the whole type. */
function elementSize(type: { size: number; stride?: number; isArray?: boolean; count?: number }): number {
  // A fixed-size array (the uniform rows) must be bound whole; a runtime-sized one needs one element.
  if (type.isArray) return type.count ? type.count * type.stride! : type.stride!;
  return type.size;
}

function parse(name: string, code: string): WgslReflect {
  try {
    return new WgslReflect(code);
  } catch (cause) {
    // Its stack would print its whole minified source. (It stumbles over `>>` within an index: write `/ 4u`.)
    throw new Error(`shaders/${name}.wgsl: wgsl_reflect cannot read it: ${(cause as Error).message}`);
  }
}

/** Without comments, indentation and empty lines: what is bundled. Line breaks stay, for the messages of compilers. */
export const stripWgsl = (code: string): string =>
  code
    .replace(/\/\/.*$|\/\*[\s\S]*?\*\//gm, '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '')
    .join('\n');

export function readShader(name: string, code: string): Shader {
  const reflect = parse(name, code);
  const bindings: ShaderBinding[] = [...reflect.uniforms, ...reflect.storage]
    .map((variable) => {
      if (variable.group !== 0) throw new Error(`${name}: ${variable.name} is in group ${variable.group}, not 0`);
      const access = variable.access as string;
      const type: ShaderBinding['type'] =
        variable.resourceType === 0 ? 'uniform' : access === 'read' ? 'read-only-storage' : 'storage';
      return { binding: variable.binding, name: variable.name, type, minSize: elementSize(variable.type as never) };
    })
    .sort((a, b) => a.binding - b.binding);
  bindings.forEach((binding, i) => {
    if (binding.binding !== i) throw new Error(`${name}: binding ${i} is missing`);
  });

  const entries = reflect.entry.compute;
  if (entries.length !== 1) throw new Error(`${name}: expected one compute entry point, found ${entries.length}`);

  const overrides: Record<string, number | boolean> = {};
  for (const line of code.matchAll(/^override (\w+): (u32|i32|f32|bool) = ([^;]+);/gm)) {
    const [, key, type, text] = line;
    overrides[key!] = type === 'bool' ? text === 'true' : Number.parseFloat(text!);
  }
  if (Object.keys(overrides).length !== reflect.overrides.length) {
    throw new Error(`${name}: every override needs a type and a default on one line`);
  }

  const structs: Record<string, ShaderStruct> = {};
  for (const struct of reflect.structs) {
    if (!['Hyper', 'Clock', 'Control', 'Shape', 'Stream', 'Layer', 'Stage', 'State', 'Settings'].includes(struct.name))
      continue;
    const fields: Record<string, { offset: number; type: Scalar }> = {};
    for (const member of struct.members) {
      const type = member.type.name as Scalar;
      if (!SCALARS.includes(type)) throw new Error(`${name}: ${struct.name}.${member.name} is no scalar`);
      fields[member.name] = { offset: member.offset, type };
    }
    structs[struct.name] = { size: struct.size, fields };
  }
  return { name, code: stripWgsl(code), entryPoint: entries[0]!.name, bindings, overrides, structs };
}
