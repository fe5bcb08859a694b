import nx from '@nx/eslint-plugin'
import prettier from 'eslint-config-prettier'
import tseslint from 'typescript-eslint'

/** What each layer may import of ours, besides itself. Layers with no entry here cannot exist: see `anyLayer` below. */
const mayImport = {
  tensor: [],
  checkpoint: [],
  tokenizer: [],
  'cmmu-eval': [],
  kernels: ['tensor'],
  nn: ['tensor', 'checkpoint'],
  distributed: ['tensor', 'nn'],
  lm: ['nn', 'tensor', 'tokenizer'],
  model: ['lm', 'nn', 'distributed', 'tensor', 'checkpoint', 'tokenizer'],
  efficientscale: ['checkpoint', 'tensor', 'nn'],
  heurimentor: ['nn', 'distributed', 'tensor', 'checkpoint', 'tokenizer'],
  tool: ['*'],
  recipe: ['*'],
  app: ['*'],
}

/** Layers with several packages that must not import each other. */
const noSiblings = ['kernels', 'model']

/** @param {readonly string[]} more layers that every layer may import too */
function depConstraints(more = []) {
  return Object.entries(mayImport).map(([layer, allowed]) => {
    const itself = noSiblings.includes(layer) ? [] : [layer]
    const layers = new Set([...allowed, ...itself, ...more])
    const tags = layers.has('*') ? ['*'] : [...layers].map((name) => `layer:${name}`)
    return { sourceTag: `layer:${layer}`, onlyDependOnLibsWithTags: tags }
  })
}

/** @param {readonly string[]} more */
function moduleBoundaries(more) {
  return [
    'error',
    {
      allow: [],
      checkDynamicDependenciesExceptions: ['.*'],
      banTransitiveDependencies: false,
      enforceBuildableLibDependency: false,
      depConstraints: depConstraints(more),
    },
  ]
}

const exportRules = [
  { selector: 'ExportDefaultDeclaration', message: 'Export by name; default exports are for config files.' },
  { selector: 'ExportAllDeclaration[exported=null]', message: 'List the exports by name.' },
  { selector: 'TSEnumDeclaration', message: 'Use a union of string literals.' },
]

export default tseslint.config(
  {
    ignores: [
      '**/dist/**',
      '**/node_modules/**',
      '**/src/generated/**',
      '**/assembly/**',
      'docs/api/**',
      '.nx/**',
      'runs/**',
      'out/**',
      '**/*.tmp.*',
    ],
  },
  ...tseslint.configs.recommended,
  {
    plugins: { '@nx': nx },
    linterOptions: { reportUnusedDisableDirectives: 'error' },
    languageOptions: { parserOptions: { tsconfigRootDir: import.meta.dirname } },
  },
  {
    files: ['**/*.ts'],
    rules: {
      '@nx/enforce-module-boundaries': moduleBoundaries([]),
      'no-restricted-syntax': ['error', ...exportRules],
      '@typescript-eslint/consistent-type-imports': ['error', { fixStyle: 'inline-type-imports' }],
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_', varsIgnorePattern: '^_' }],
      eqeqeq: 'error',
      'no-console': ['error', { allow: ['warn'] }],
      'prefer-const': ['error', { destructuring: 'all' }],
    },
  },
  {
    // Rules that need types, where a forgotten `await` would hide an error.
    files: ['packages/*/src/**/*.ts', 'apps/*/src/**/*.ts', 'recipes/**/*.ts', 'tools/goldens/src/**/*.ts'],
    ignores: ['**/*.test.ts'],
    languageOptions: { parserOptions: { projectService: true } },
    rules: {
      '@typescript-eslint/no-floating-promises': 'error',
      '@typescript-eslint/no-misused-promises': 'error',
      '@typescript-eslint/await-thenable': 'error',
    },
  },
  {
    // Tests open a backend, which libraries may not.
    files: ['packages/*/test/**/*.ts', 'packages/*/src/**/*.test.ts'],
    rules: { '@nx/enforce-module-boundaries': moduleBoundaries(['kernels']) },
  },
  {
    // Programs talk to the terminal.
    files: ['recipes/**', 'tools/**', 'apps/**', 'packages/*/scripts/**', 'packages/*/test/**'],
    rules: { 'no-console': 'off' },
  },
  {
    files: ['**/*.config.{ts,js}'],
    rules: { 'no-restricted-syntax': 'off', '@nx/enforce-module-boundaries': 'off' },
  },
  prettier,
)
