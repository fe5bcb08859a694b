/** What derivative and batching rules are given and give. */
import type { PrimitiveAttrs, PrimitiveName } from '../graph/primitive.js'
import type { Node, Tensor } from '../graph/tensor.js'

/** A tensor or null where there is nothing: a zero cotangent or tangent is null and costs nothing. */
export type Maybe = Tensor | null

/** One application of a primitive as its derivative rule sees it. */
export interface Application<Op extends PrimitiveName = PrimitiveName> {
  readonly node: Node<Op>
  readonly attrs: PrimitiveAttrs[Op]
  readonly inputs: readonly Tensor[]
  /** Which inputs a derivative flows through. The others get null. */
  readonly needs: readonly boolean[]
  /** Output k of the node. */
  output(k: number): Tensor
}

/** Runs f once with derivatives; handed to rules that differentiate bodies, so that the tables do not import the passes. */
export interface DerivativePasses {
  /** Outputs made ready for a reverse pass: scans keep what it will read. */
  prepare(outputs: readonly Tensor[], seeds: readonly Tensor[]): readonly Tensor[]
  /** Cotangents of `seeds` for cotangents of `outputs`; seeds are fresh nodes. */
  reverse(outputs: readonly Tensor[], seeds: readonly Tensor[], cotangents: readonly Maybe[]): Maybe[]
  /** Tangents of `outputs` for tangents of `seeds`. */
  forward(outputs: readonly Tensor[], seeds: readonly Tensor[], tangents: readonly Maybe[]): Maybe[]
}

/** Cotangents of the outputs (at least one is there) -> cotangents of the inputs. */
export type VjpRule<Op extends PrimitiveName> = (
  application: Application<Op>,
  cotangents: readonly Maybe[],
  passes: DerivativePasses,
) => readonly Maybe[]

/** Tangents of the inputs (at least one is there) -> tangents of the outputs. */
export type JvpRule<Op extends PrimitiveName> = (
  application: Application<Op>,
  tangents: readonly Maybe[],
  passes: DerivativePasses,
) => readonly Maybe[]

/** An operand under vmap: with the mapped axis in front, or without one. */
export interface Batched {
  readonly tensor: Tensor
  readonly batched: boolean
}

/** Maps a function of tensors over axis 0 of the operands that are batched: results all have the axis. */
export type BatchFunction = (
  f: (operands: readonly Tensor[]) => readonly Maybe[],
  operands: readonly Batched[],
  size: number,
) => (Batched | null)[]

/** Operands, some with the mapped axis in front -> outputs with the mapped axis in front (or unbatched). */
export type BatchRule<Op extends PrimitiveName> = (
  node: Node<Op>,
  operands: readonly Batched[],
  size: number,
  batch: BatchFunction,
) => readonly Batched[]
