//! Wall time of one poll decision, beside peers.

use criterion::{Criterion, criterion_group, criterion_main};
use taskward_benches::contenders;

fn machine(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("machine");
    for contender in contenders()
        .into_iter()
        .filter(|one| one.group == "machine")
    {
        let mut once = (contender.prepare)();
        group.bench_function(contender.name, |bencher| bencher.iter(&mut once));
    }
    group.finish();
}

criterion_group!(benches, machine);
criterion_main!(benches);
