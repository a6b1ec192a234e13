import tseslint from 'typescript-eslint'

export default tseslint.config(
  {
    ignores: [
      'node_modules',
      'dist',
      '.tools',
      '.cache',
      '.state',
      'chart',
      '**/*.gen.ts',
      '**/generated/**',
    ],
  },
  ...tseslint.configs.strict,
  {
    rules: {
      'max-len': [
        'error',
        {
          code: 140,
          ignoreUrls: true,
          ignoreStrings: true,
          ignoreTemplateLiterals: true,
          ignoreRegExpLiterals: true,
        },
      ],
      'max-lines-per-function': ['error', { max: 125, skipBlankLines: true, skipComments: true }],
      '@typescript-eslint/no-non-null-assertion': 'error',
      '@typescript-eslint/consistent-type-imports': 'error',
    },
  },
  { files: ['test/**'], rules: { 'max-lines-per-function': 'off' } },
  // A noun has one place: statements on turns and sessions are in store/, which knows nothing of those who decide.
  {
    files: [
      'services/api/*.ts',
      'services/api/{internal,llm,middleware,routes,sandboxes,turns}/**',
      'services/worker/**',
      'services/sandbox/**',
    ],
    rules: {
      'no-restricted-syntax': [
        'error',
        ...['Literal[value=', 'TemplateElement[value.raw='].map((node) => ({
          selector: `${node}/(FROM|UPDATE|INTO|JOIN) (turns|sessions|sandboxes|requests|workspaces|tenants|usage)\\b/]`,
          message: 'SQL belongs to services/api/store/, in the file of its noun',
        })),
      ],
    },
  },
  // Dependencies point one way: services and edge know nothing of the chart.
  {
    files: ['services/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            '**/chart/**',
            '**/values/**',
            '**/schemas/**',
            '**/cluster/**',
            '**/scripts/**',
            '**/edge/**',
          ],
        },
      ],
    },
  },
  {
    files: ['services/api/store/**'],
    rules: {
      'no-restricted-imports': [
        'error',
        {
          patterns: [
            ...['chart', 'values', 'schemas', 'cluster', 'scripts', 'edge'].map(
              (top) => `**/${top}/**`,
            ),
            ...['turns', 'routes', 'internal', 'events', 'llm'].map((above) => `../${above}/*`),
          ],
        },
      ],
    },
  },
)
