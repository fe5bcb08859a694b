/** The program's words in Chinese. */
import type { Messages } from './messages.js'

export const chinese: Messages = {
  reading: (source) => `读取 ${source}`,
  world: '小小世界和本仓库的文档（换成自己的文本：--corpus 目录）',
  corpus: (files, learned, heldOut) => `${files} 个文件：${learned} 用于训练，${heldOut} 留作验证`,
  skipped: (count, examples) => `跳过 ${count} 个文件：${examples}`,
  reason: { binary: '二进制', notUtf8: '不是 UTF-8', unreadable: '无法读取', special: '不是普通文件', empty: '空文件' },
  cut: (limit) => `文本超过 ${limit}，其余部分不读取`,
  tokenizer: (tokens, bytesPerToken) => `分词器：${tokens} 个词元，平均每个词元 ${bytesPerToken} 字节`,
  learned: (tokens) => `共 ${tokens} 个训练词元`,
  model: ({ parameters, layers, width, context, vocabulary }) =>
    `Aquila2：${parameters} 个参数，${layers} 层，宽度 ${width}，上下文 ${context} 词元，词表 ${vocabulary}`,
  engine: ({ name, threads, relaxedSimd }) =>
    `引擎：${name}，${threads} 线程，${relaxedSimd ? 'relaxed' : '普通'} SIMD`,
  planned: (steps) => `将在第 ${steps} 步结束；学习率从现在起下降`,
  progress: ({ step, total, loss, tokensPerSecond, elapsed, left }) =>
    [
      `第 ${step}${total === null ? '' : `/${total}`} 步`,
      loss === null ? '' : `损失 ${loss.toFixed(3)}`,
      tokensPerSecond === null ? '' : `${Math.round(tokensPerSecond)} 词元/秒`,
      `已用 ${elapsed}`,
      left === null ? '' : `剩余 ${left}`,
    ]
      .filter((part) => part !== '')
      .join('  '),
  validation: (step, bits) => `第 ${step} 步：验证文本 ${bits} 比特/字节`,
  trained: (steps, time, tokensPerSecond) => `训练 ${steps} 步，用时 ${time}，${tokensPerSecond} 词元/秒`,
  score: (name, bits, gzip) => `  ${name}：验证文本 ${bits} 比特/字节（gzip -9 为 ${gzip}）`,
  asking: (questions) => `提问 ${questions} 道题，所问的组合在训练中从未出现`,
  quiz: ({ language, questions, model, ngram, constant, overNgram, overConstant }) =>
    `  ${language}：${questions} 题答对 ${model}；五元模型 ${ngram}，最佳固定答案 ${constant}` +
    `（分别高出 ${overNgram} 和 ${overConstant} 个标准误）`,
  sampleTitle: '模型现在写出的文字：',
  saved: (folder, report) =>
    `已保存到 ${folder}：model.safetensors、config.json 和分词器，可由 Hugging Face 的库读取\n` +
    `含曲线、得分和样例的报告：${report}`,
  nothingLeft: (steps) => `${steps} 步已全部完成；继续训练请用 --steps N`,
  resuming: (folder, step, total) => `继续 ${folder}：第 ${step}${total === null ? '' : `/${total}`} 步`,
  olderUsed: (reason) => `警告：${reason}`,
  stopping: '完成当前这一步后停止（再按一次 Ctrl-C 立即退出，不保存）',
  stopped: (step, command) => `已在第 ${step} 步停止。继续训练：\n  ${command}`,
  again: (command) => `继续训练更久：\n  ${command}`,
  report: {
    world: '小小世界',
    title: (source) => `从 ${source} 学成的模型`,
    subtitle: ({ parameters, layers, width, context, vocabulary }, steps, time) =>
      `Aquila2，${parameters} 个参数：${layers} 层，宽度 ${width}，上下文 ${context} 词元，词表 ${vocabulary}；更新 ${steps} 步，用时 ${time}`,
    questions: (language) => `${language}问题`,
    margins: (ngram, constant) => `高出五元模型 ${ngram}、固定答案 ${constant} 个标准误`,
    heldOut: '验证文本',
    heldOutMean: '比特/字节（平均）',
    parameters: '参数',
    trained: '训练时间',
    steps: '步',
    speed: '每秒词元数',
    quizTitle: (language) => `未见过的问题：${language}`,
    quizNote: (constant) =>
      '答对的百分比 ± 标准误；答案须一字不差。所问的组合（谁、什么、在哪里；哪些数；哪些词）都没有在训练中出现过。' +
      `最佳固定答案是“${constant}”。`,
    quizColumns: ['领域', '题数', '模型', '五元模型', '固定答案'],
    all: '全部',
    bitsTitle: '验证文本',
    bitsNote:
      '比特/字节：预测每个后续词元的交叉熵除以文本字节数；盲猜为 8。这些文本从未用于训练：小小世界取关于留出组合的其他文档，文件取最后的二十分之一。',
    bitsColumns: ['领域', '字节数', '模型', 'gzip -9'],
    answersTitle: '部分回答',
    answersNote: '✗ 之后是正确答案。',
    samplesTitle: '模型写出的文字',
    footer: '由 Tarazed 的 npm start 生成。',
    languages: { en: '英文', zh: '中文' },
    domains: {
      stories: '故事',
      questions: '世界知识',
      arithmetic: '算术',
      translation: '翻译',
      code: '代码',
      documents: '仓库文档',
    },
  },
  badFlags: (reason) => `参数有误（${reason}）。用法见 npm start -- --help`,
  badNumber: (flag, got, least, most) => `--${flag} 应为 ${least} 到 ${most} 之间的整数，得到 "${got}"`,
  badLanguage: (got) => `--lang 应为 en 或 zh，得到 "${got}"`,
  badWidth: (got) => `--width 应为 32 的倍数，得到 ${got}`,
  stepsOrSeconds: () => '--steps 与 --seconds 只能给一个',
  fixedByRun: (flag) => `--${flag} 由 --resume 的运行决定；请去掉它，或开始新的运行`,
  noCorpus: (path) => `没有文件或目录 ${path}；--corpus 应为文本文件所在的目录`,
  emptyCorpus: (path, skipped) =>
    `${path} 中没有文本${skipped === 0 ? '' : `（跳过了 ${skipped} 个文件）`}；--corpus 应为 UTF-8 文本文件所在的目录`,
  smallCorpus: (path, bytes, least) => `${path} 中只有 ${bytes} 字节文本，至少需要 ${least} 字节`,
  shortCorpus: (context) => `文本的任何部分都不足 ${context} 个词元的一个序列。请增加文本，或减小 --context`,
  longPrompt: (tokens, context) =>
    `提示有 ${tokens} 个词元，而模型只能看到 ${context} 个。请缩短提示，或用更大的 --context 训练`,
  textChanged: (source) => `${source} 与这次训练开始时的文本不同，无法按原样继续。请恢复原来的文本，或开始新的运行`,
  outInUse: (folder, command) => `${folder} 中已有一次运行。请用 --out 另选目录，或继续那次运行：\n  ${command}`,
  noRun: (folder) => `${folder} 中没有可继续的运行：缺少检查点`,
  brokenRun: (folder, reason) => `无法读取 ${folder} 中的运行：${reason}`,
  diverged: (step) => `第 ${step} 步损失不再是数值；最近一次保存在此之前。请换一个 --seed`,
  diskFull: (path) => `磁盘已满${path === undefined ? '' : `（${path}）`}。请腾出空间；已保存的状态不受影响`,
  notAllowed: (path) => `没有权限${path === undefined ? '' : `：${path}`}。请用 --out 另选目录`,
  missing: (path) => `不存在 ${path ?? '该文件'}`,
  notAFolder: (path) => `${path ?? '该路径'} 不是目录。请用 --out 另选目录`,
  unexpected: (detail) => `internal: 程序出错，请向我们报告\n${detail}`,
  help: `npm start -- [参数]      用文本训练一个中英双语的小 Aquila2，向它提问，再让它写一段文字

  npm start                                   用小小世界训练约三分钟
  npm start -- --corpus ~/texts               用自己的文本文件训练
  npm start -- --corpus notes.md --seconds 30
  npm start -- --steps 2000 --layers 4        更深的模型，训练更久
  npm start -- --resume runs/start            按 Ctrl-C 之后，从停下的地方继续
  npm start -- --resume runs/start --steps 5000 --prompt "问：计算 3 + 4 = ？"

文本
  --corpus 路径    UTF-8 文本文件或目录（含子目录）         默认：小小世界
运行
  --seconds N      训练约 N 秒                              160
  --steps N        改为训练整整 N 步
  --batch N        每步的序列数                             8
  --seed N         世界、初始权重、次序和采样的种子         0
  --threads N      线程数                                   全部
  --out 目录       保存位置                                 runs/start
  --resume 目录    继续已保存的运行；加 --steps 或 --seconds 则训练更久
模型
  --layers N       Transformer 层数                         3
  --width N        宽度，32 的倍数                          128（文本：192）
  --context N      能看到的词元数                           128（文本：192）
  --vocab N        词表大小上限                             1024（文本：2048）
采样
  --prompt 文本    让模型续写的开头
  --sample N       写多少词元                               120
其他
  --lang en|zh     消息和报告的语言                         LANG
  --help           本页

按 Ctrl-C 会先保存，并说明如何继续。保存的目录是 Hugging Face 格式的检查点，旁边有 report.html；其中的 training/ 是 --resume 所需的内容。`,
}
