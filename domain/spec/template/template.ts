/**
 * Templates in service specs: the language of Go's text/template, with Swarm's data and its function `join`
 * (swarm-compat §3.4). As in Swarm, a missing key is an error (`missingkey=error`), but `index` of a missing
 * label is ''. Complex numbers are refused by name, and there are bounds (`Budget`).
 */
import type { Labels } from '../../model/spec.ts';
import { invalid } from '../faults.ts';
import { quote } from '../go-text.ts';
import { Budget } from './budget.ts';
import { TemplateError } from './error.ts';
import { Evaluation } from './evaluate.ts';
import { functionNames } from './functions.ts';
import { Parser } from './parse.ts';
import { string, type Struct, utf8, type Value } from './value.ts';

export interface TemplateData {
  readonly Service: { readonly ID: string; readonly Name: string; readonly Labels: Labels };
  readonly Node: {
    readonly ID: string;
    readonly Hostname: string;
    readonly Platform: { readonly Architecture: string; readonly OS: string };
  };
  /** `Slot` is the node's ID in global services. */
  readonly Task: { readonly ID: string; readonly Name: string; readonly Slot: string };
}

const struct = (type: string, fields: Readonly<Record<string, Value>>): Struct => ({
  kind: 'struct',
  type,
  fields: new Map(Object.entries(fields)),
});
/** A struct without a name of its own is called by its fields. */
const anonymous = (types: string, fields: Readonly<Record<string, Value>>): Struct =>
  struct(`struct { ${types} }`, fields);

/** The data with the types that Swarm gives it. */
function valueOf({ Service, Node, Task }: TemplateData): Value {
  const { Architecture, OS } = Node.Platform;
  const to = struct('template.Context', {
    Service: anonymous('ID string; Name string; Labels map[string]string', {
      ID: string(Service.ID),
      Name: string(Service.Name),
      Labels: { kind: 'map', value: Service.Labels },
    }),
    Node: anonymous('ID string; Hostname string; Platform template.Platform', {
      ID: string(Node.ID),
      Hostname: string(Node.Hostname),
      Platform: struct('template.Platform', {
        Architecture: string(Architecture),
        OS: string(OS),
      }),
    }),
    Task: anonymous('ID string; Name string; Slot string', {
      ID: string(Task.ID),
      Name: string(Task.Name),
      Slot: string(Task.Slot),
    }),
  });
  return { kind: 'pointer', to };
}

/** Swarm's name for every template; error texts begin with it. */
const name = 'expansion';

export const isTemplate = (source: string): boolean => source.includes('{{');

/**
 * Expands one text.
 * @param budget shared by the texts of one container
 * @throws Fault with Go's words, e.g. `template: expansion:1: unclosed action`
 */
export function expandTemplate(source: string, data: TemplateData, budget = new Budget()): string {
  if (!isTemplate(source)) return source;
  try {
    const templates = new Parser(source, functionNames).run(name);
    return new Evaluation(templates, name, valueOf(data), budget).run();
  } catch (error) {
    if (error instanceof TemplateError) throw invalid(`template: ${name}:${placed(error, source)}`);
    throw error;
  }
}

/** Columns are counted in bytes, from the start of the line. */
function placed({ where, message }: TemplateError, source: string): string {
  if (where === undefined) return `1: ${message}`;
  if ('line' in where) return `${where.line}: ${message}`;
  const lines = source.slice(0, where.at).split('\n');
  const column = utf8(lines.at(-1) ?? '').length;
  return `${lines.length}:${column}: executing ${quote(where.template)} at <${where.text}>: ${message}`;
}
