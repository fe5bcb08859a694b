/** A program as text for people: slots, steps, expressions. */
import type { Access, Expr, FusedStep, Program, Slot, Step } from '../program/ir.js'

/** Prints a program: one line per step, `details: true` adds the expressions of fused steps. */
export function explainProgram(program: Program, options: { readonly details?: boolean } = {}): string {
  const temps = program.slots.filter((slot) => slot.place.kind === 'temp').length
  const lines = [
    `program: ${program.steps.length} steps, ${program.inputCount} inputs, ${program.outputCount} outputs, ${temps} temporaries in ${formatBytes(program.arenaBytes)}`,
  ]
  program.steps.forEach((step, k) => {
    lines.push(`${String(k).padStart(4)}  ${stepLine(step, program.slots)}`)
    const fused = step.kind === 'routine' ? step.epilogue : step.kind === 'fused' ? step : undefined
    if (options.details === true && fused !== undefined) lines.push(...exprLines(fused))
    if (step.kind === 'loop')
      lines.push(
        ...explainProgram(step.body, options)
          .split('\n')
          .map((line) => `        ${line}`),
      )
  })
  return lines.join('\n')
}

function stepLine(step: Step, slots: readonly Slot[]): string {
  const name = (slot: number): string => slotName(slots[slot], slot)
  switch (step.kind) {
    case 'fused':
      return `fused ${fusedText(step, name)}`
    case 'loop':
      return `loop ×${step.bound === undefined ? '' : `${name(step.bound)} of `}${step.trips}${step.reverse ? ' reverse' : ''}`
    case 'routine':
    case 'collective': {
      const operands = step.operands.map((view) => `${name(view.slot)}[${view.shape.join(', ')}]`).join(', ')
      const epilogue = step.kind === 'routine' ? step.epilogue : undefined
      const then = epilogue === undefined ? '' : `, then ${fusedText(epilogue, name)}`
      return `${step.name} ${step.results.map((view) => name(view.slot)).join(', ')} <- ${operands}${then}`
    }
  }
}

function fusedText(step: FusedStep, name: (slot: number) => string): string {
  const domain = `[${[...step.outer, step.inner].join(', ')}]`
  const writes = step.stores.map((store) => name(step.operands[store.operand])).join(', ')
  const reads = [
    ...new Set(step.exprs.flatMap((expr) => (expr.op === 'load' ? [name(step.operands[expr.operand])] : []))),
  ].join(', ')
  return `${domain} ${step.phases > 0 ? `${step.phases} phase${step.phases > 1 ? 's' : ''} ` : ''}${writes} <- ${reads}  # ${step.label}`
}

function slotName(slot: Slot, id: number): string {
  switch (slot.place.kind) {
    case 'input':
      return `in${slot.place.index}`
    case 'output':
      return slot.place.aliasOf === undefined
        ? `out${slot.place.index}`
        : `out${slot.place.index}=in${slot.place.aliasOf}`
    case 'temp':
      return `t${id}@${slot.place.offset}`
  }
}

function exprLines(step: FusedStep): string[] {
  const lines = step.exprs.map((expr, k) => `          ${expr.level === 'row' ? '·' : ' '} %${k} = ${exprText(expr)}`)
  for (const store of step.stores)
    lines.push(`            store ${store.level} op${store.operand}${accessText(store.access)} = %${store.value}`)
  return lines
}

function exprText(expr: Expr): string {
  switch (expr.op) {
    case 'const':
      return `${expr.value} (${expr.type})`
    case 'param':
      return `param ${expr.param} (${expr.type})`
    case 'index':
      return `index ${expr.axis}`
    case 'load':
      return `load op${expr.operand}${accessText(expr.access)}${expr.guard === undefined ? '' : ` if %${expr.guard}`} (${expr.dtype})`
    case 'reduce':
      return `${expr.kind} %${expr.arg} in phase ${expr.phase}`
    case 'round':
      return `round %${expr.args[0]} to ${expr.to}`
    default:
      return `${expr.op} ${expr.args.map((arg) => `%${arg}`).join(', ')}`
  }
}

function accessText(access: Access): string {
  const gathered = access.gathered.map((term) => ` + ${term.stride}·%${term.expr}`).join('')
  return `[${access.offset} + ${access.strides.join(',')}${gathered}]`
}

function formatBytes(bytes: number): string {
  return bytes < 1024
    ? `${bytes} B`
    : bytes < 2 ** 20
      ? `${(bytes / 1024).toFixed(1)} KiB`
      : `${(bytes / 2 ** 20).toFixed(1)} MiB`
}
