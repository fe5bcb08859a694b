/** The program's words in English. */
import type { Messages } from './messages.js'

const layers = (count: number) => `${count} ${count === 1 ? 'layer' : 'layers'}`

export const english: Messages = {
  reading: (source) => `Reading ${source}`,
  world: 'the tiny world and the documents of this repository (your own text: --corpus DIR)',
  corpus: (files, learned, heldOut) => `${files} files, ${learned} to learn from, ${heldOut} held out for validation`,
  skipped: (count, examples) => `Skipped ${count} ${count === 1 ? 'file' : 'files'}: ${examples}`,
  reason: {
    binary: 'binary',
    notUtf8: 'not UTF-8',
    unreadable: 'not readable',
    special: 'no plain file',
    empty: 'empty',
  },
  cut: (limit) => `The text is longer than ${limit}; the rest is not read`,
  tokenizer: (tokens, bytesPerToken) => `Tokenizer: ${tokens} tokens, ${bytesPerToken} bytes per token`,
  learned: (tokens) => `${tokens} tokens to learn from`,
  model: ({ parameters, layers: count, width, context, vocabulary }) =>
    `Aquila2: ${parameters} parameters, ${layers(count)} of width ${width}, ${context} tokens of context, vocabulary ${vocabulary}`,
  engine: ({ name, threads, relaxedSimd }) =>
    `Engine: ${name}, ${threads} ${threads === 1 ? 'thread' : 'threads'}, ${relaxedSimd ? 'relaxed' : 'plain'} SIMD`,
  planned: (steps) => `The run ends at step ${steps}; the learning rate comes down from now on`,
  progress: ({ step, total, loss, tokensPerSecond, elapsed, left }) =>
    [
      `step ${step}${total === null ? '' : `/${total}`}`,
      loss === null ? '' : `loss ${loss.toFixed(3)}`,
      tokensPerSecond === null ? '' : `${Math.round(tokensPerSecond)} tokens/s`,
      `${elapsed} elapsed`,
      left === null ? '' : `${left} left`,
    ]
      .filter((part) => part !== '')
      .join('  '),
  validation: (step, bits) => `step ${step}: held-out text ${bits} bits/byte`,
  trained: (steps, time, tokensPerSecond) => `Trained ${steps} steps in ${time}, ${tokensPerSecond} tokens/s`,
  score: (name, bits, gzip) => `  ${name}: ${bits} bits per byte of held-out text (gzip -9 needs ${gzip})`,
  asking: (questions) => `Asking ${questions} questions about combinations that training never showed`,
  quiz: ({ language, questions, model, ngram, constant, overNgram, overConstant }) =>
    `  ${language}: ${model} of ${questions} right; 5-gram model ${ngram}, best constant answer ${constant} ` +
    `(${overNgram} and ${overConstant} standard errors above them)`,
  sampleTitle: 'What it writes now:',
  saved: (folder, report) =>
    `Saved in ${folder}: model.safetensors, config.json and the tokenizer, as Hugging Face’s libraries read them\n` +
    `Report with curves, scores and samples: ${report}`,
  nothingLeft: (steps) => `All ${steps} steps are done; more with --steps N`,
  resuming: (folder, step, total) => `Resuming ${folder} at step ${step}${total === null ? '' : ` of ${total}`}`,
  olderUsed: (reason) => `Warning: ${reason}`,
  stopping: 'Stopping after this step (Ctrl-C again: at once, without saving)',
  stopped: (step, command) => `Stopped at step ${step}. Go on with:\n  ${command}`,
  again: (command) => `Train longer with:\n  ${command}`,
  report: {
    world: 'a tiny world',
    title: (source) => `A model that learned from ${source}`,
    subtitle: ({ parameters, layers: count, width, context, vocabulary }, steps, time) =>
      `Aquila2 with ${parameters} parameters: ${layers(count)} of width ${width}, ${context} tokens of context, ` +
      `vocabulary ${vocabulary}; ${steps} updates in ${time}`,
    questions: (language) => `Questions in ${language}`,
    margins: (ngram, constant) => `${ngram} s.e. over 5-gram, ${constant} over constant`,
    heldOut: 'Held-out text',
    heldOutMean: 'bits per byte, mean',
    parameters: 'Parameters',
    trained: 'Trained for',
    steps: 'updates',
    speed: 'Tokens per second',
    quizTitle: (language) => `Held-out questions: ${language}`,
    quizNote: (constant) =>
      'Percent right ± standard error; the answer must be right to the letter. Every combination asked about (who, what and where; ' +
      `which numbers; which words) is missing from training. The best constant answer is “${constant}”.`,
    quizColumns: ['Domain', 'Questions', 'Model', '5-gram', 'Constant'],
    all: 'All',
    bitsTitle: 'Held-out text',
    bitsNote:
      'Bits per byte: the cross-entropy of every next token, over the bytes of the text; 8 is blind guessing. The text was never learned: ' +
      'of the tiny world other documents, about held-out combinations; of files the last twentieth.',
    bitsColumns: ['Domain', 'Bytes', 'Model', 'gzip -9'],
    answersTitle: 'Some of its answers',
    answersNote: 'Behind the mark ✗ stands what would have been right.',
    samplesTitle: 'What it writes',
    footer: 'Made by npm start of Tarazed.',
    languages: { en: 'English', zh: 'Chinese' },
    domains: {
      stories: 'stories',
      questions: 'knowledge',
      arithmetic: 'arithmetic',
      translation: 'translation',
      code: 'code',
      documents: 'documents',
    },
  },
  badFlags: (reason) => `${reason}. See npm start -- --help`,
  badNumber: (flag, got, least, most) => `--${flag} takes a whole number from ${least} to ${most}, got "${got}"`,
  badLanguage: (got) => `--lang takes en or zh, got "${got}"`,
  badWidth: (got) => `--width takes a multiple of 32, got ${got}`,
  stepsOrSeconds: () => 'Give --steps or --seconds, not both',
  fixedByRun: (flag) => `--${flag} belongs to the run that --resume goes on with; leave it out, or start a new run`,
  noCorpus: (path) => `There is no file or folder ${path}; --corpus takes a folder of text files`,
  emptyCorpus: (path, skipped) =>
    `No text in ${path}${skipped === 0 ? '' : ` (${skipped} files skipped)`}; --corpus takes a folder of UTF-8 text files`,
  smallCorpus: (path, bytes, least) => `Only ${bytes} bytes of text in ${path}; at least ${least} are needed`,
  shortCorpus: (context) =>
    `No part of the text is as long as one sequence of ${context} tokens. Add text, or lower --context`,
  longPrompt: (tokens, context) =>
    `The prompt has ${tokens} tokens, but the model sees ${context}. Shorten it, or train with a larger --context`,
  textChanged: (source) =>
    `${source} is not the text that this run began with, so the run cannot go on as it would have. Bring the old text back, or start a new run`,
  outInUse: (folder, command) =>
    `${folder} already holds a run. Choose another folder with --out, or go on with it:\n  ${command}`,
  noRun: (folder) => `No run to resume in ${folder}: it has no checkpoint`,
  brokenRun: (folder, reason) => `The run in ${folder} cannot be read: ${reason}`,
  diverged: (step) =>
    `The loss is no longer a number at step ${step}; the last save is from before. Try another --seed`,
  diskFull: (path) =>
    `The disk is full${path === undefined ? '' : ` (${path})`}. Free some space; saved states stay as they were`,
  notAllowed: (path) => `No permission${path === undefined ? '' : ` for ${path}`}. Choose another folder with --out`,
  missing: (path) => `There is no ${path ?? 'such file'}`,
  notAFolder: (path) => `${path ?? 'The path'} is not a folder. Choose another one with --out`,
  unexpected: (detail) => `internal: something went wrong that is our fault; please report it\n${detail}`,
  help: `npm start -- [flags]      train a small bilingual Aquila2 on text, question it, and let it write

  npm start                                   about three minutes on the tiny world
  npm start -- --corpus ~/texts               learn from your own text files instead
  npm start -- --corpus notes.md --seconds 30
  npm start -- --steps 2000 --layers 4        a longer run of a deeper model
  npm start -- --resume runs/start            go on after Ctrl-C, exactly where it stopped
  npm start -- --resume runs/start --steps 5000 --prompt "Q: What is 3 + 4?"

Text
  --corpus PATH    file or folder of UTF-8 text, read with its sub-folders     the tiny world
Run
  --seconds N      train for about N seconds                                   160
  --steps N        train for exactly N updates instead
  --batch N        sequences in an update                                      8
  --seed N         of the world, first weights, order and sample               0
  --threads N      processor threads                                           all
  --out DIR        where to save                                               runs/start
  --resume DIR     go on with a saved run; with --steps or --seconds, so much longer
Model
  --layers N       transformer blocks                                          3
  --width N        features, a multiple of 32                                  128 (text: 192)
  --context N      tokens that it sees                                         128 (text: 192)
  --vocab N        tokens of the vocabulary, at most                           1024 (text: 2048)
Sample
  --prompt TEXT    what it continues
  --sample N       tokens to write                                             120
Other
  --lang en|zh     language of messages and report                             LANG
  --help           this page

Ctrl-C saves and tells how to go on. The saved folder is a checkpoint in the layout of Hugging Face, with report.html beside it;
its folder training/ holds what --resume needs.`,
}
