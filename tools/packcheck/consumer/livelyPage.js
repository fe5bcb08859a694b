import { openCpu } from '@tarazed/kernels-cpu'
import { compile, random, setDefaultBackend } from '@tarazed/tensor'

const SIZE = 512
const LONG_MS = 300

/**
 * Runs one program of at least 300 ms, alone, and counts how often a timer and the page's frames fire meanwhile: never
 * where the program blocks the page. How long a program must be for that is found by doubling it.
 */
export async function livelyPage() {
  const cpu = await openCpu()
  setDefaultBackend(cpu)
  const x = random.normal(random.key(2), [SIZE, SIZE])
  let measured
  for (let products = 8; products <= 4096; products *= 2) {
    const program = compile(chainOf(products))
    await (await program(x)).data() // compiled and warm
    const runsBefore = cpu.counters.programsRun
    measured = await whileTicking(async () => (await program(x)).data())
    if (measured.milliseconds >= LONG_MS) {
      measured.programs = cpu.counters.programsRun - runsBefore
      break
    }
  }
  await cpu.close()
  return { ...measured, isolated: crossOriginIsolated, warning: cpu.warning }
}

/** The same matrix product again and again, scaled so that its values stay finite. */
function chainOf(products) {
  return (/** @type {import('@tarazed/tensor').Tensor} */ x) => {
    let y = x
    for (let k = 0; k < products; k++) y = y.matmul(x).mul(1 / Math.sqrt(SIZE))
    return y
  }
}

async function whileTicking(work) {
  let ticks = 0
  let frames = 0
  let frame = requestAnimationFrame(function next() {
    frames++
    frame = requestAnimationFrame(next)
  })
  const timer = setInterval(() => ticks++, 10)
  const start = performance.now()
  const values = await work()
  const milliseconds = performance.now() - start
  clearInterval(timer)
  cancelAnimationFrame(frame)
  return { milliseconds, ticks, frames, finite: values.every(Number.isFinite) }
}
