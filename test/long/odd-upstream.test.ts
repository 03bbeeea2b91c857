import { containerd } from '../e2e/support/containerd.ts';
import { describeOddPulls } from '../e2e/support/odd-pulls.ts';
import { podman } from '../e2e/support/podman.ts';
import { skopeo } from '../e2e/support/skopeo.ts';

describeOddPulls([skopeo, podman, containerd]);
