//! What people paste: ids of the wrong form, secrets with more around them, one bracket too few.

use super::{GUID, environment, file, load, told, with};

#[test]
fn what_cannot_be_an_id_of_entras_is_refused() {
    let braced = format!("{{{GUID}}}");
    let table: &[(&[(&str, &str)], &str)] = &[
        (
            &[("TENANTS__DEFAULT__MICROSOFT__DIRECTORY_ID", "contoso")],
            "tenants.default.microsoft.directory_id: must be the directory's GUID or one of its verified domains",
        ),
        (
            &[("TENANTS__DEFAULT__MICROSOFT__CLIENT_ID", braced.as_str())],
            "tenants.default.microsoft.client_id: must be a GUID",
        ),
        (
            &[("TENANTS__DEFAULT__MICROSOFT__DIRECTORY_ID", GUID), ("TENANTS__DEFAULT__MICROSOFT__CLIENT_ID", GUID)],
            "tenants.default.microsoft.client_id: is the same as directory_id",
        ),
    ];
    for (variables, expected) in table {
        let problems = told(with(variables));
        assert!(matches!(problems.as_slice(), [one] if one.starts_with(expected)), "{variables:?}: {problems:#?}");
    }
}

#[test]
fn a_secret_file_that_holds_more_than_the_secret_is_refused_in_words_that_say_so() {
    let (_kept, path) = file("");
    let key = "TENANTS__DEFAULT__MICROSOFT__CLIENT_SECRET";
    let utf16: Vec<u8> =
        [0xfe_ff_u16].into_iter().chain("hush-hush".encode_utf16()).flat_map(u16::to_le_bytes).collect();
    for (content, expected) in [
        (b"\xef\xbb\xbfhush-hush".to_vec(), "begins with a byte order mark"),
        (b"\"hush-hush\"\n".to_vec(), "holds quotation marks around the secret"),
        (b"'hush-hush'".to_vec(), "holds quotation marks around the secret"),
        (b"hush-hush\nsecret id: 5".to_vec(), "has several lines"),
        (b" \n".to_vec(), "is empty"),
        (utf16, "is not UTF-8 text"),
    ] {
        std::fs::write(&path, content).unwrap();
        let problems = told(with(&[(key, ""), (&format!("{key}_FILE"), path.to_str().unwrap())]));
        let expected = format!("tenants.default.microsoft.client_secret_file: {expected}");
        assert!(matches!(problems.as_slice(), [one] if one.starts_with(&expected)), "{expected}: {problems:#?}");
        assert!(!problems[0].contains("hush"), "{problems:?}");
    }
}

#[test]
fn a_key_that_cannot_be_used_is_the_one_problem_and_no_missing_one() {
    let found = told(with(&[("AUTH__KEYS__MAIN__SECRET", ""), ("AUTH__KEYS__MAIN__SECRET_FILE", "/nowhere/key")]));
    assert_eq!(found, ["auth.keys.main.secret_file: cannot be read: there is no such file"]);
}

#[test]
fn one_bracket_too_few_for_team_calendars_is_said() {
    let (_kept, path) = file("[tenants.default.team_calendars]\nmailbox = \"team@contoso.com\"\n");
    let problems = told(load(Some(&path), &environment(&[])));
    let expected = "tenants.default.team_calendars: must be a list: write [[tenants.NAME.team_calendars]] in double";
    assert!(matches!(problems.as_slice(), [one] if one.starts_with(expected)), "{problems:#?}");
}

#[test]
fn what_is_no_toml_is_told_by_place_and_reason_and_never_by_content() {
    for (content, reason) in [
        ("[policy]\n[policy]\n", "duplicate key"),
        ("[tenants.default.microsoft]\nclient_secret = \"hush-hush\n", "("),
        ("[tenants.default.microsoft]\nclient_secret = hush-hush\n", "("),
        ("[tenants.default.microsoft]\nclient_secret = 'hush-hush' hush\n", "("),
        ("hush-hush\n", "("),
        ("[hush\n", "("),
    ] {
        let (_kept, path) = file(content);
        let problems = told(load(Some(&path), &environment(&[])));
        assert!(problems.len() == 1 && problems[0].contains("is not TOML: look at line "), "{problems:?}");
        assert!(problems[0].contains(reason) && !problems[0].contains("hush"), "{problems:?}");
    }
}
