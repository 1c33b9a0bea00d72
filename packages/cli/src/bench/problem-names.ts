/** @file The names of the networks that `bench` measures: what `--help` tells without loading them. */

export const problemNames = ['logreg', 'mlp', '2c2d', '3c3d', 'allcnnc', 'resnet20', 'transformer'] as const

export type ProblemName = (typeof problemNames)[number]
