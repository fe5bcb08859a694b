/** `tarazed doctor`: which backends work here, and what to install for the rest. */
import { cpus, totalmem } from 'node:os'
import type { Command, Context } from '../command.js'
import { EXIT } from '../failure.js'
import type { Text } from '../language.js'
import { byteSize } from '../progress.js'

/** What was found out about one backend. */
interface Finding {
  readonly backend: 'cpu' | 'webgpu' | 'cuda'
  readonly works: boolean
  readonly detail: Text
}

export const doctor: Command = {
  path: ['doctor'],
  about: {
    en: 'which backends work here, and what to install for the rest',
    zh: '检查可用的后端，以及其余后端需要安装什么',
  },
  options: {
    json: { kind: 'flag', about: { en: 'findings as JSON', zh: '以 JSON 输出' } },
  },
  examples: [
    { line: 'tarazed doctor', about: { en: 'look at this machine', zh: '检查本机' } },
    { line: 'tarazed doctor --json', about: { en: 'for a bug report', zh: '用于提交问题' } },
  ],
  async run(values, context) {
    const findings = [
      await tryCpu(),
      await tryPackage('webgpu', '@tarazed/kernels-webgpu', 'openWebGpu'),
      await tryPackage('cuda', '@tarazed/kernels-cuda', 'openCuda'),
    ]
    const machine = {
      node: process.versions.node,
      platform: `${process.platform} ${process.arch}`,
      processors: cpus().length,
      memoryBytes: totalmem(),
    }
    if (values.flag('json')) {
      const backends = findings.map(({ backend, works, detail }) => ({ backend, works, detail: context.say(detail) }))
      context.out.write(`${JSON.stringify({ machine, backends }, null, 2)}\n`)
    } else {
      report(findings, machine, context)
    }
    return findings[0].works ? EXIT.done : EXIT.failed
  },
}

function report(
  findings: readonly Finding[],
  machine: { node: string; platform: string; processors: number; memoryBytes: number },
  { out, say, env }: Context,
): void {
  const { node, platform, processors, memoryBytes } = machine
  out.write(
    say({
      en: `Node ${node}, ${platform}, ${processors} processors, ${byteSize(memoryBytes)} of memory\n`,
      zh: `Node ${node}，${platform}，${processors} 个处理器，内存 ${byteSize(memoryBytes)}\n`,
    }),
  )
  const colour = out.isTTY === true && !env.NO_COLOR
  for (const { backend, works, detail } of findings) {
    const mark = works ? '✓' : '–'
    const drawn = colour ? `\x1b[${works ? 32 : 33}m${mark}\x1b[0m` : mark
    out.write(`${drawn} ${backend.padEnd(7)} ${say(detail)}\n`)
  }
}

/** Opens the CPU engine and lets it compute, since opening alone proves little. */
async function tryCpu(): Promise<Finding> {
  try {
    const { openCpu } = await import('@tarazed/kernels-cpu')
    const { setDefaultBackend, tensor } = await import('@tarazed/tensor')
    const backend = await openCpu()
    try {
      setDefaultBackend(backend)
      const sum = await tensor([1, 2, 3]).mul(2).sum().item()
      if (sum !== 12) throw new Error(`the sum of 2, 4 and 6 came out as ${String(sum)}`)
      const { threads, relaxedSimd } = backend
      return {
        backend: 'cpu',
        works: true,
        detail: {
          en: `works: ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${relaxedSimd ? 'fused multiply-add (relaxed SIMD)' : 'plain SIMD'}`,
          zh: `可用：${threads} 线程，${relaxedSimd ? '融合乘加（relaxed SIMD）' : '普通 SIMD'}`,
        },
      }
    } finally {
      await backend.close()
    }
  } catch (error) {
    return { backend: 'cpu', works: false, detail: same((error as Error).message) }
  }
}

/** Backends in packages of their own: absent until somebody installs them. */
async function tryPackage(backend: 'webgpu' | 'cuda', specifier: string, opener: string): Promise<Finding> {
  try {
    const module = (await import(specifier)) as Record<string, () => Promise<{ close(): Promise<void> }>>
    const opened = await module[opener]()
    await opened.close()
    return { backend, works: true, detail: { en: 'works', zh: '可用' } }
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException
    if (code !== 'ERR_MODULE_NOT_FOUND') return { backend, works: false, detail: same(message) }
    return {
      backend,
      works: false,
      detail: {
        en: `comes with a later version, as the package ${specifier}`,
        zh: `将随后续版本提供，软件包为 ${specifier}`,
      },
    }
  }
}

function same(message: string): Text {
  return { en: message, zh: message }
}
