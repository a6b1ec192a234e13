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
)
