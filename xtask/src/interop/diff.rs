//! Where two traces differ.

/// Lines of one section that stand in one of two traces only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Hunk {
    pub(crate) section: String,
    pub(crate) first: Vec<String>,
    pub(crate) second: Vec<String>,
}

/// Returns where two traces of the same sections differ.
pub(crate) fn hunks(first: &str, second: &str) -> Vec<Hunk> {
    let (first, second) = (sections(first), sections(second));
    let text_of = |all: &[(String, String)], wanted: &str| {
        let found = all.iter().find(|(name, _)| name == wanted);
        found.map(|(_, text)| text.clone()).unwrap_or_default()
    };
    let mut hunks = Vec::new();
    for (name, text) in &first {
        compare(name, text, &text_of(&second, name), &mut hunks);
    }
    for (name, text) in &second {
        if !first.iter().any(|(other, _)| other == name) {
            compare(name, "", text, &mut hunks);
        }
    }
    hunks
}

/// Returns the text of each section, by its heading.
pub(crate) fn sections(trace: &str) -> Vec<(String, String)> {
    let mut sections: Vec<(String, String)> = Vec::new();
    for line in trace.lines() {
        match (line.strip_prefix("## "), sections.last_mut()) {
            (Some(name), _) => sections.push((name.to_owned(), String::new())),
            (None, Some((_, text))) => *text += &format!("{line}\n"),
            (None, None) => sections.push((String::new(), format!("{line}\n"))),
        }
    }
    sections
}

fn compare(section: &str, first: &str, second: &str, hunks: &mut Vec<Hunk>) {
    let (first, second): (Vec<_>, Vec<_>) = (first.lines().collect(), second.lines().collect());
    // The length of the longest common run of lines from each pair of places on.
    let mut common = vec![vec![0_usize; second.len() + 1]; first.len() + 1];
    for i in (0..first.len()).rev() {
        for j in (0..second.len()).rev() {
            common[i][j] = if first[i] == second[j] {
                common[i + 1][j + 1] + 1
            } else {
                common[i + 1][j].max(common[i][j + 1])
            };
        }
    }
    let (mut i, mut j) = (0, 0);
    let mut open = false;
    while i < first.len() || j < second.len() {
        if i < first.len() && j < second.len() && first[i] == second[j] {
            (i, j, open) = (i + 1, j + 1, false);
            continue;
        }
        if !open {
            hunks.push(Hunk {
                section: section.to_owned(),
                first: Vec::new(),
                second: Vec::new(),
            });
            open = true;
        }
        let hunk = hunks.last_mut().expect("one is open");
        if j == second.len() || i < first.len() && common[i + 1][j] >= common[i][j + 1] {
            hunk.first.push(first[i].to_owned());
            i += 1;
        } else {
            hunk.second.push(second[j].to_owned());
            j += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_one_trace_only_are_found_in_their_section() {
        let first = "## one\na\nb\nc\n## two\nd\n";
        let second = "## one\na\nx\nc\n## two\nd\ne\n";
        let hunk = |section: &str, first: &[&str], second: &[&str]| Hunk {
            section: section.to_owned(),
            first: first.iter().map(|line| (*line).to_owned()).collect(),
            second: second.iter().map(|line| (*line).to_owned()).collect(),
        };
        assert_eq!(
            hunks(first, second),
            [hunk("one", &["b"], &["x"]), hunk("two", &[], &["e"])]
        );
        assert_eq!(hunks(first, first), []);
        assert_eq!(hunks("## one\na\n", ""), [hunk("one", &["a"], &[])]);
        assert_eq!(hunks("", "## one\na\n"), [hunk("one", &[], &["a"])]);
    }
}
