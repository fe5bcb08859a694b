/** Everything that the program says, in English and Chinese. */

export type Language = 'en' | 'zh'

/** What the engine says of itself. */
export interface EngineFacts {
  readonly name: string
  readonly threads: number
  readonly relaxedSimd: boolean
}

/** Figures of a line of progress, already formatted where they need no words. */
export interface ProgressFigures {
  readonly step: number
  readonly total: number | null
  readonly bitsPerByte: number | null
  readonly tokensPerSecond: number | null
  readonly elapsed: string
  readonly left: string | null
}

export interface Messages {
  // the story
  readonly reading: (source: string) => string
  readonly ownText: string
  readonly corpus: (files: number, bytes: string, train: string, heldOut: string) => string
  readonly skipped: (count: number, examples: string) => string
  readonly reason: Readonly<Record<SkipReason, string>>
  readonly cut: (limit: string) => string
  readonly model: (parameters: string, layers: number, width: number, context: number) => string
  readonly engine: (engine: EngineFacts) => string
  readonly planned: (steps: number, seconds: number) => string
  readonly progress: (figures: ProgressFigures) => string
  readonly validation: (step: number, bits: string) => string
  readonly trained: (steps: number, time: string, tokensPerSecond: string) => string
  readonly result: (bits: string, untrained: string, gzip: string) => string
  readonly sampleTitle: string
  readonly saved: (folder: string) => string
  readonly nothingLeft: (steps: number) => string
  readonly resuming: (folder: string, step: number, total: number | null) => string
  readonly textChanged: string
  readonly stopping: string
  readonly stopped: (step: number, command: string) => string
  readonly again: (command: string) => string
  // what can go wrong
  readonly badFlags: (reason: string) => string
  readonly badNumber: (flag: string, got: string, least: number, most: number) => string
  readonly badLanguage: (got: string) => string
  readonly badWidth: (got: number) => string
  readonly stepsOrSeconds: () => string
  readonly fixedByRun: (flag: string) => string
  readonly noCorpus: (path: string) => string
  readonly emptyCorpus: (path: string, skipped: number) => string
  readonly smallCorpus: (path: string, bytes: number, least: number) => string
  readonly outInUse: (folder: string, command: string) => string
  readonly noRun: (folder: string) => string
  readonly brokenRun: (folder: string, reason: string) => string
  readonly diverged: (step: number) => string
  readonly diskFull: (path: string | undefined) => string
  readonly notAllowed: (path: string | undefined) => string
  readonly missing: (path: string | undefined) => string
  readonly notAFolder: (path: string | undefined) => string
  readonly unexpected: (detail: string) => string
  readonly help: string
}

/** Why a file is no training text. */
export type SkipReason = 'binary' | 'notUtf8' | 'unreadable' | 'special' | 'empty'

/** Chinese when the locale says so, as `LANG=zh_CN.UTF-8`. */
export function languageFrom(env: NodeJS.ProcessEnv): Language {
  const locale = env.LC_ALL || env.LC_MESSAGES || env.LANG || ''
  return /^zh/i.test(locale) ? 'zh' : 'en'
}

export function messagesIn(language: Language): Messages {
  return language === 'zh' ? chinese : english
}

const english: Messages = {
  reading: (source) => `Reading ${source}`,
  ownText: 'the documents and source of this repository (your own text: --corpus DIR)',
  corpus: (files, bytes, train, heldOut) =>
    `${files} files, ${bytes}: ${train} to learn from, ${heldOut} held out for validation`,
  skipped: (count, examples) => `Skipped ${count} ${count === 1 ? 'file' : 'files'}: ${examples}`,
  reason: {
    binary: 'binary',
    notUtf8: 'not UTF-8',
    unreadable: 'not readable',
    special: 'no plain file',
    empty: 'empty',
  },
  cut: (limit) => `The text is longer than ${limit}; the rest is not read`,
  model: (parameters, layers, width, context) =>
    `Transformer over bytes: ${parameters} parameters, ${layers} ${layers === 1 ? 'layer' : 'layers'} of width ${width}, ${context} bytes of context`,
  engine: ({ name, threads, relaxedSimd }) =>
    `Engine: ${name}, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${relaxedSimd ? 'relaxed' : 'plain'} SIMD`,
  planned: (steps, seconds) => `${steps} steps will take about ${seconds} seconds here`,
  progress: ({ step, total, bitsPerByte, tokensPerSecond, elapsed, left }) =>
    [
      `step ${step}${total === null ? '' : `/${total}`}`,
      bitsPerByte === null ? '' : `loss ${bitsPerByte.toFixed(3)} bits/byte`,
      tokensPerSecond === null ? '' : `${Math.round(tokensPerSecond)} tokens/s`,
      `${elapsed} elapsed`,
      left === null ? '' : `${left} left`,
    ]
      .filter((part) => part !== '')
      .join('  '),
  validation: (step, bits) => `step ${step}: held-out text ${bits} bits/byte`,
  trained: (steps, time, tokensPerSecond) => `Trained ${steps} steps in ${time}, ${tokensPerSecond} tokens/s`,
  result: (bits, untrained, gzip) =>
    `Held-out text: ${bits} bits per byte (before training ${untrained}; gzip -9 needs ${gzip})`,
  sampleTitle: 'A sample of what it writes now:',
  saved: (folder) => `Saved in ${folder}: model.safetensors, config.json, train_state.safetensors`,
  nothingLeft: (steps) => `All ${steps} steps are done; more with --steps N`,
  resuming: (folder, step, total) => `Resuming ${folder} at step ${step}${total === null ? '' : ` of ${total}`}`,
  textChanged:
    'The text differs from the one that this run began with: training goes on with the new text, so it will not repeat the old run exactly',
  stopping: 'Stopping after this step (Ctrl-C again: at once, without saving)',
  stopped: (step, command) => `Stopped at step ${step}. Go on with:\n  ${command}`,
  again: (command) => `Train longer with:\n  ${command}`,
  badFlags: (reason) => `${reason}. See npm start -- --help`,
  badNumber: (flag, got, least, most) => `--${flag} takes a whole number from ${least} to ${most}, got "${got}"`,
  badLanguage: (got) => `--lang takes en or zh, got "${got}"`,
  badWidth: (got) => `--width takes a multiple of 32, got ${got}`,
  stepsOrSeconds: () => 'Give --steps or --seconds, not both',
  fixedByRun: (flag) => `--${flag} belongs to the run that --resume goes on with; leave it out, or start a new run`,
  noCorpus: (path) => `There is no file or folder ${path}; --corpus takes a folder of text files`,
  emptyCorpus: (path, skipped) =>
    `No text in ${path}${skipped === 0 ? '' : ` (${skipped} files skipped)`}; --corpus takes a folder of UTF-8 text files`,
  smallCorpus: (path, bytes, least) =>
    `Only ${bytes} bytes of text in ${path}; at least ${least} are needed. Add text, or lower --context`,
  outInUse: (folder, command) =>
    `${folder} already holds a run. Choose another folder with --out, or go on with it:\n  ${command}`,
  noRun: (folder) => `No run to resume in ${folder}: it has no train_state.safetensors`,
  brokenRun: (folder, reason) => `The run in ${folder} cannot be read: ${reason}`,
  diverged: (step) => `The loss is no longer a number at step ${step}; nothing was saved since. Try another --seed`,
  diskFull: (path) =>
    `The disk is full${path === undefined ? '' : ` (${path})`}. Free some space; saved states stay as they were`,
  notAllowed: (path) => `No permission${path === undefined ? '' : ` for ${path}`}. Choose another folder with --out`,
  missing: (path) => `There is no ${path ?? 'such file'}`,
  notAFolder: (path) => `${path ?? 'The path'} is not a folder. Choose another one with --out`,
  unexpected: (detail) => `internal: something went wrong that is our fault; please report it\n${detail}`,
  help: `npm start -- [flags]      train a small language model on text, and let it write

  npm start                                   about three minutes on the text of this repository
  npm start -- --corpus ~/texts               learn from your own text files instead
  npm start -- --corpus notes.md --seconds 30
  npm start -- --steps 2000 --layers 4        a longer run of a deeper model
  npm start -- --resume runs/start            go on after Ctrl-C, exactly where it stopped
  npm start -- --resume runs/start --steps 5000 --prompt "import "

Text
  --corpus PATH    file or folder of UTF-8 text, read with its sub-folders     this repository
Run
  --seconds N      train for about N seconds                                   150
  --steps N        train for exactly N steps instead
  --batch N        sequences in a step                                         4
  --seed N         of first weights, batches and sample                        0
  --threads N      processor threads                                           all
  --out DIR        where to save                                               runs/start
  --resume DIR     go on with a saved run
Model
  --layers N       transformer blocks                                          3
  --width N        features, a multiple of 32                                  128
  --context N      bytes that it sees                                          128
Sample
  --prompt TEXT    what it continues
  --sample N       bytes to write                                              400
Other
  --lang en|zh     language of messages                                        LANG
  --help           this page

Ctrl-C saves and tells how to go on. The saved folder is a LLaMA checkpoint over bytes: model.safetensors and
config.json; train_state.safetensors also holds the optimiser.`,
}

const chinese: Messages = {
  reading: (source) => `读取 ${source}`,
  ownText: '本仓库的文档和源代码（换成自己的文本：--corpus 目录）',
  corpus: (files, bytes, train, heldOut) => `${files} 个文件，共 ${bytes}：${train} 用于训练，${heldOut} 留作验证`,
  skipped: (count, examples) => `跳过 ${count} 个文件：${examples}`,
  reason: { binary: '二进制', notUtf8: '不是 UTF-8', unreadable: '无法读取', special: '不是普通文件', empty: '空文件' },
  cut: (limit) => `文本超过 ${limit}，其余部分不读取`,
  model: (parameters, layers, width, context) =>
    `字节级 Transformer：${parameters} 个参数，${layers} 层，宽度 ${width}，上下文 ${context} 字节`,
  engine: ({ name, threads, relaxedSimd }) =>
    `引擎：${name}，${threads} 线程，${relaxedSimd ? 'relaxed' : '普通'} SIMD`,
  planned: (steps, seconds) => `共 ${steps} 步，本机约需 ${seconds} 秒`,
  progress: ({ step, total, bitsPerByte, tokensPerSecond, elapsed, left }) =>
    [
      `第 ${step}${total === null ? '' : `/${total}`} 步`,
      bitsPerByte === null ? '' : `损失 ${bitsPerByte.toFixed(3)} 比特/字节`,
      tokensPerSecond === null ? '' : `${Math.round(tokensPerSecond)} 词元/秒`,
      `已用 ${elapsed}`,
      left === null ? '' : `剩余 ${left}`,
    ]
      .filter((part) => part !== '')
      .join('  '),
  validation: (step, bits) => `第 ${step} 步：验证文本 ${bits} 比特/字节`,
  trained: (steps, time, tokensPerSecond) => `训练 ${steps} 步，用时 ${time}，${tokensPerSecond} 词元/秒`,
  result: (bits, untrained, gzip) => `验证文本：${bits} 比特/字节（训练前 ${untrained}；gzip -9 为 ${gzip}）`,
  sampleTitle: '模型现在写出的一段文字：',
  saved: (folder) => `已保存到 ${folder}：model.safetensors、config.json、train_state.safetensors`,
  nothingLeft: (steps) => `${steps} 步已全部完成；继续训练请用 --steps N`,
  resuming: (folder, step, total) => `继续 ${folder}：第 ${step}${total === null ? '' : `/${total}`} 步`,
  textChanged: '文本与这次训练开始时不同：将用新文本继续训练，结果不会与原来的运行完全一致',
  stopping: '完成当前这一步后停止（再按一次 Ctrl-C 立即退出，不保存）',
  stopped: (step, command) => `已在第 ${step} 步停止。继续训练：\n  ${command}`,
  again: (command) => `继续训练更久：\n  ${command}`,
  badFlags: (reason) => `参数有误（${reason}）。用法见 npm start -- --help`,
  badNumber: (flag, got, least, most) => `--${flag} 应为 ${least} 到 ${most} 之间的整数，得到 "${got}"`,
  badLanguage: (got) => `--lang 应为 en 或 zh，得到 "${got}"`,
  badWidth: (got) => `--width 应为 32 的倍数，得到 ${got}`,
  stepsOrSeconds: () => '--steps 与 --seconds 只能给一个',
  fixedByRun: (flag) => `--${flag} 由 --resume 的运行决定；请去掉它，或开始新的运行`,
  noCorpus: (path) => `没有文件或目录 ${path}；--corpus 应为文本文件所在的目录`,
  emptyCorpus: (path, skipped) =>
    `${path} 中没有文本${skipped === 0 ? '' : `（跳过了 ${skipped} 个文件）`}；--corpus 应为 UTF-8 文本文件所在的目录`,
  smallCorpus: (path, bytes, least) =>
    `${path} 中只有 ${bytes} 字节文本，至少需要 ${least} 字节。请增加文本，或减小 --context`,
  outInUse: (folder, command) => `${folder} 中已有一次运行。请用 --out 另选目录，或继续那次运行：\n  ${command}`,
  noRun: (folder) => `${folder} 中没有可继续的运行：缺少 train_state.safetensors`,
  brokenRun: (folder, reason) => `无法读取 ${folder} 中的运行：${reason}`,
  diverged: (step) => `第 ${step} 步损失不再是数值，此后未保存。请换一个 --seed`,
  diskFull: (path) => `磁盘已满${path === undefined ? '' : `（${path}）`}。请腾出空间；已保存的状态不受影响`,
  notAllowed: (path) => `没有权限${path === undefined ? '' : `：${path}`}。请用 --out 另选目录`,
  missing: (path) => `不存在 ${path ?? '该文件'}`,
  notAFolder: (path) => `${path ?? '该路径'} 不是目录。请用 --out 另选目录`,
  unexpected: (detail) => `internal: 程序出错，请向我们报告\n${detail}`,
  help: `npm start -- [参数]      用文本训练一个小语言模型，再让它写一段文字

  npm start                                   用本仓库的文本训练约三分钟
  npm start -- --corpus ~/texts               用自己的文本文件训练
  npm start -- --corpus notes.md --seconds 30
  npm start -- --steps 2000 --layers 4        更深的模型，训练更久
  npm start -- --resume runs/start            按 Ctrl-C 之后，从停下的地方继续
  npm start -- --resume runs/start --steps 5000 --prompt "春眠"

文本
  --corpus 路径    UTF-8 文本文件或目录（含子目录）         默认：本仓库
运行
  --seconds N      训练约 N 秒                              150
  --steps N        改为训练整整 N 步
  --batch N        每步的序列数                             4
  --seed N         初始权重、批次和采样的种子               0
  --threads N      线程数                                   全部
  --out 目录       保存位置                                 runs/start
  --resume 目录    继续已保存的运行
模型
  --layers N       Transformer 层数                         3
  --width N        宽度，32 的倍数                          128
  --context N      能看到的字节数                           128
采样
  --prompt 文本    让模型续写的开头
  --sample N       写多少字节                               400
其他
  --lang en|zh     消息语言                                 LANG
  --help           本页

按 Ctrl-C 会先保存，并说明如何继续。保存的目录是字节级 LLaMA 检查点：model.safetensors 和 config.json；
train_state.safetensors 还包含优化器状态。`,
}
