import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type StructInfo, type TypeInfo, WgslReflect } from 'wgsl_reflect/wgsl_reflect.module.js';
import { rules } from '../../src/index.js';
import { allSlots, headerText, type RuleRow, type RuleText, resolveHyper } from '../../src/optim/rule.js';
import { json } from './json.js';
import { recordPasses } from './passes.js';
import { generateVectors, SHAPE, settingsOf } from './vectors.js';

/*
 * shaders/manifest.json: all that a host program needs to run the kernels as they are, in whatever language it is written: read
 * from the WGSL files and from the rules' rows.
 */

const modules = import.meta.glob<{ readonly text?: RuleText }>('../../src/optim/rules/*.ts', { eager: true });

const rows = Object.values(rules as unknown as Readonly<Record<string, { readonly row: RuleRow }>>).map(
  ({ row }) => row,
);

/** A type as WGSL writes it. */
function typeName(type: TypeInfo, code: string): string {
  const { format, count } = type as TypeInfo & { format?: TypeInfo; count?: number };
  if (type.name === 'array') return `array<${typeName(format!, code)}${count ? `, ${count}` : ''}>`;
  return format && !type.name.includes(format.name[0]!) ? `${type.name}<${typeName(format, code)}>` : type.name;
}

/** The structs that bindings hold: those the host writes or reads. */
function structsOf(reflect: WgslReflect): Record<string, unknown> {
  const held = new Set<string>();
  const visit = (type: TypeInfo | null | undefined): void => {
    if (!type) return;
    const { format, members } = type as TypeInfo & { format?: TypeInfo; members?: { type: TypeInfo }[] };
    if (members) held.add(type.name);
    visit(format);
    for (const member of members ?? []) visit(member.type);
  };
  for (const { type } of [...reflect.uniforms, ...reflect.storage]) visit(type);
  return Object.fromEntries(
    reflect.structs
      .filter(({ name }) => held.has(name))
      .map(({ name, size, align, members }: StructInfo) => [
        name,
        {
          size,
          align,
          fields: members.map((member) => ({
            name: member.name,
            type: typeName(member.type, ''),
            offset: member.offset,
          })),
        },
      ]),
  );
}

/** An override's default: numbers and flags as such. */
const defaultOf = (text: string): number | boolean =>
  /^(true|false)$/.test(text) ? text === 'true' : parseFloat(text);

/** What a kernel's file asks of its host. */
function kernelOf(code: string) {
  const reflect = new WgslReflect(code);
  const overrides = [...code.matchAll(/^override (\w+): (\w+) = ([^;]+);/gm)].map(([, name, type, text]) => ({
    name,
    type,
    default: defaultOf(text!),
  }));
  const workgroup = /@workgroup_size\(([^)]*)\)/
    .exec(code)![1]!
    .split(',')
    .map((size) => size.trim());
  return {
    entryPoint: reflect.entry.compute[0]!.name,
    workgroup: workgroup.map((size) => (/^\d+$/.test(size) ? Number(size) : size)),
    overrides,
    bindings: [...reflect.uniforms, ...reflect.storage]
      .sort((a, b) => a.binding - b.binding)
      .map(({ binding, name, resourceType, access, type }) => ({
        binding,
        name,
        space: resourceType === 0 ? 'uniform' : 'storage',
        access: access === 'read_write' ? 'read_write' : 'read',
        type: typeName(type, code),
      })),
    structs: structsOf(reflect),
  };
}

const split = (line: string) => {
  const at = line.indexOf(' = ');
  return { name: line.slice(0, at), formula: line.slice(at + 3) };
};

/** The kernels of a step of several passes, in order; those of a matrix, where shapes decide. */
const passesOfRow = (row: RuleRow) =>
  recordPasses({ row, hyper: resolveHyper(row, {}) }, SHAPE).dispatches.map(({ pass, kernel }) => ({ pass, kernel }));

/** All state slots a rule can have, in the order of its bindings: a kernel that rules share may have more. */
function slotsOf(row: RuleRow): readonly string[] {
  const used = new Set(settingsOf(row).flatMap((options) => row.slots(resolveHyper(row, options as never))));
  return row.passes ? [...used] : allSlots(row.shader).filter((name) => used.has(name));
}

/** What a rule's row says, and where its kernel is. */
function ruleOf(row: RuleRow) {
  const text = modules[`../../src/optim/rules/${row.name}.ts`]?.text;
  const { scalars = [], slots = {}, initial = {}, carry = {} } = text ?? {};
  const own = scalars.map(split);
  const unset = ({ name }: { readonly name: string }) => own.every((line) => line.name !== name);
  // The header last: FTRL's l2 is another one.
  const lines = [...own, ...headerText.scalars.map(split).filter(unset)];
  // A field that no line sets is the hyper-parameter of its name.
  const others = Object.keys(row.shader.structs.Hyper!.fields).filter((name) =>
    lines.every((line) => line.name !== name),
  );
  return {
    title: row.title,
    formula: row.formula,
    paper: row.paper,
    kernel: row.shader.name,
    passes: row.passes && passesOfRow(row),
    perTensor: row.perTensor,
    // What an option is called on our command line is no part of a kernel.
    hyper: Object.entries(row.fields).map(([name, field]) => ({ name, ...field, flag: undefined })),
    conventions: row.conventions,
    slots: slotsOf(row).map((name) => ({
      name,
      override: !row.passes && name.toUpperCase() in row.shader.overrides ? name.toUpperCase() : undefined,
      when: slots[name],
      initial: initial[name] ?? '0',
    })),
    // State of another shape than the parameters'; its arrays are in the vectors' plan.
    kept: row.kept?.what,
    carry: Object.entries(carry).map(([name, start]) => ({ name, start })),
    scalars: text && [...others.map((name) => ({ name, formula: name })), ...lines],
    vectors: `vectors/${row.name}.json`,
  };
}

/** Path to text, of the manifest and of every rule's vectors. */
export function generateManifest(root: string): Record<string, string> {
  const files = readdirSync(join(root, 'shaders'), { recursive: true })
    .map((path) => String(path).replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.wgsl'))
    .sort();
  const kernels = files.map((path) => {
    const code = readFileSync(join(root, 'shaders', path), 'utf8');
    return [path.replace(/\.wgsl$/, ''), { file: `shaders/${path}`, ...kernelOf(code) }] as const;
  });
  const manifest = {
    version: 1,
    documentation: 'docs/kernels.md',
    kernels: Object.fromEntries(kernels),
    rules: Object.fromEntries(rows.map((row) => [row.name, ruleOf(row)])),
  };
  const vectors = generateVectors(rows).map(([name, file]) => [`vectors/${name}.json`, `${json(file)}\n`] as const);
  return { 'shaders/manifest.json': `${json(manifest)}\n`, ...Object.fromEntries(vectors) };
}
