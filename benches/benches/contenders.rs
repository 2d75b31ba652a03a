//! Wall time of every contender, beside its peers.

use criterion::{Criterion, criterion_group, criterion_main};
use taskward_benches::contenders;

fn all(criterion: &mut Criterion) {
    for contender in contenders() {
        let mut group = criterion.benchmark_group(contender.group);
        let mut once = (contender.prepare)();
        group.bench_function(contender.name, |bencher| bencher.iter(&mut once));
        group.finish();
    }
}

criterion_group!(benches, all);
criterion_main!(benches);
