/** The syntax tree of a template. `at` is the offset that error texts name, `text` how they print the node. */

interface Placed {
  readonly at: number;
  readonly text: string;
}

export type Operand = Placed &
  (
    | { readonly kind: 'dot' | 'nil' }
    | { readonly kind: 'field'; readonly names: readonly string[] }
    /** The first name is the variable's own, with its `$`; fields follow. */
    | { readonly kind: 'variable'; readonly names: readonly [string, ...string[]] }
    | { readonly kind: 'function'; readonly name: string }
    | { readonly kind: 'bool'; readonly value: boolean }
    | { readonly kind: 'string'; readonly value: string }
    | { readonly kind: 'number'; readonly value: NumberValue }
    | { readonly kind: 'pipeline'; readonly pipeline: Pipeline }
    /** Fields of a parenthesis or of a function's result. */
    | { readonly kind: 'chain'; readonly of: Operand; readonly names: readonly string[] }
  );

/** An integer that does not fit into 64 bits with a sign is known as such, for it fails only when it is used. */
export type NumberValue =
  | { readonly type: 'int'; readonly value: bigint }
  | { readonly type: 'float64'; readonly value: number }
  | { readonly type: 'overflow' };

export interface Command extends Placed {
  /** At least one. */
  readonly operands: readonly Operand[];
}

export interface Pipeline extends Placed {
  readonly variables: readonly string[];
  /** The variables are there already (`=`), and not declared here (`:=`). */
  readonly isAssignment: boolean;
  readonly commands: readonly Command[];
}

export interface Branch {
  readonly at: number;
  readonly pipeline: Pipeline;
  readonly body: List;
  readonly otherwise: List | undefined;
}

export type Statement =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'action'; readonly pipeline: Pipeline }
  | { readonly kind: 'break' | 'continue' }
  | ({ readonly kind: 'if' | 'with' | 'range' } & Branch)
  | ({
      readonly kind: 'template';
      readonly name: string;
      readonly pipeline: Pipeline | undefined;
    } & Placed);
export type List = readonly Statement[];

/** A template and those that it defines, by name. */
export type Templates = ReadonlyMap<string, List>;
