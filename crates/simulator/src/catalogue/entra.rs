//! Entra's refusals: AADSTS number, OAuth error word, HTTP status, sentence.
//!
//! Numbers and words are from Microsoft's list of error codes; statuses as seen in practice where that list is silent.
//! `{app}` and `{tenant}` stand for the app registration and the directory that exist from the start.

/// A number, the word beside it, the status it comes with, and what it says.
type Row = (u32, &'static str, u16, &'static str);

#[rustfmt::skip]
pub(super) const ROWS: [Row; 43] = [
    // The proof.
    (7_000_215, "invalid_client", 401, "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{app}'."),
    (7_000_222, "invalid_client", 401, "The provided client secret keys for app '{app}' are expired. Visit the Azure portal to create new keys for your app, or consider using certificate credentials for added security."),
    (7_000_216, "invalid_client", 401, "'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."),
    (7_000_218, "invalid_client", 401, "The request body must contain the following parameter: 'client_assertion' or 'client_secret'."),
    (700_027, "invalid_client", 401, "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found., Thumbprint of key used by client: '0000000000000000000000000000000000000000', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '{app}'.]"),
    (700_024, "invalid_client", 401, "Client assertion is not within its valid time range. Please review the documentation at https://docs.microsoft.com/azure/active-directory/develop/active-directory-certificate-credentials ."),
    (7_000_214, "invalid_client", 401, "The certificate used to sign the client assertion has been revoked."),
    (7_000_274, "invalid_client", 401, "The signature of the client assertion is not valid for the certificate registered on application '{app}'."),
    (7_000_277, "invalid_client", 401, "The certificate used to sign the client assertion is not trusted for application '{app}'."),
    (1_000_502, "invalid_client", 401, "The provided certificate is not within its specified validity period."),
    (70_021, "invalid_client", 401, "No matching federated identity record found for presented assertion. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion."),
    (700_211, "invalid_client", 401, "No matching federated identity record found for presented assertion issuer 'https://issuer.example'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion."),
    (700_212, "invalid_client", 401, "No matching federated identity record found for presented assertion audience 'api://elsewhere'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion."),
    (700_213, "invalid_client", 401, "No matching federated identity record found for presented assertion subject 'system:serviceaccount:elsewhere:leavebridge'. Please check your federated identity credential Subject, Audience and Issuer against the presented assertion."),
    (7_002_138, "invalid_client", 401, "No matching federated identity record found for presented assertion subject 'system:serviceaccount:Leave:leavebridge'. The subject matches with case-insensitive comparison, but not with case-sensitive comparison. Check your federated identity credential Subject, Audience and Issuer against the presented assertion."),
    (70_025, "invalid_client", 401, "The client '{app}'(leave bridge) has no configured federated identity credentials."),
    // The app and the directory.
    (7_000_229, "invalid_client", 401, "The client application {app} is missing service principal in the tenant {tenant}."),
    (700_016, "unauthorized_client", 400, "Application with identifier '{app}' was not found in the directory '{tenant}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant."),
    (7_000_112, "unauthorized_client", 400, "Application '{app}'(leave bridge) is disabled."),
    (90_002, "invalid_request", 400, "Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant."),
    (900_023, "invalid_request", 400, "Specified tenant identifier 'contoso' is neither a valid DNS name, nor a valid external domain."),
    (90_038, "invalid_request", 400, "The tenant '{tenant}' belongs to another national cloud. The current cloud instance 'microsoftonline.com' does not federate with it."),
    (9_001_023, "invalid_request", 400, "The grant type is not supported over the /common or /consumers endpoints. Please use the /organizations or tenant-specific endpoint."),
    (500_011, "invalid_resource", 400, "The resource principal named https://graph.microsoft.us was not found in the tenant named {tenant}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant."),
    (50_001, "invalid_resource", 400, "The resource principal named https://graph.microsoft.us is disabled or does not exist in the tenant named {tenant}."),
    // The form.
    (70_011, "invalid_scope", 400, "The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope https://graph.microsoft.com is not valid."),
    (28_002, "invalid_scope", 400, "Provided value for the input parameter scope 'https://graph.microsoft.com' is not valid when requesting an access token. Please specify a valid scope."),
    (1_002_012, "invalid_scope", 400, "The provided value for scope https://graph.microsoft.com is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."),
    (700_022, "invalid_scope", 400, "The provided value for the input parameter scope is not valid because it contains more than one resource."),
    (70_003, "unsupported_grant_type", 400, "The app requested an unsupported grant type 'client_credential'."),
    (900_144, "invalid_request", 400, "The request body must contain the following parameter: 'client_id'."),
    (90_014, "invalid_request", 400, "The required field 'scope' is missing from the credential. Ensure that you have all the necessary parameters for the login request."),
    (50_034, "invalid_grant", 400, "The user account does not exist in the {tenant} directory. To sign into this application, the account must be added to the directory."),
    // Policy.
    (53_003, "invalid_grant", 400, "Access has been blocked by Conditional Access policies. The access policy does not allow token issuance."),
    (530_032, "access_denied", 400, "The tenant admin has configured a security policy that blocks this request."),
    // What passes by itself.
    (90_006, "server_error", 400, "External server is busy or returned a retryable error. Please try again."),
    (90_012, "temporarily_unavailable", 504, "The request has timed out. Please try again."),
    (90_024, "temporarily_unavailable", 503, "A transient error has occurred. Please try again."),
    (90_033, "temporarily_unavailable", 503, "A transient error has occurred. Please try again."),
    (90_090, "temporarily_unavailable", 503, "The directory service is temporarily unavailable. Please try again."),
    (90_055, "temporarily_unavailable", 429, "The server has terminated the request because there are too many incoming requests for this tenant."),
    (50_196, "invalid_grant", 400, "The server terminated an operation because it encountered a client request loop. Please contact your app vendor."),
    // Anything else a client may meet.
    (900_561, "invalid_request", 400, "The endpoint only accepts POST requests. Received a GET request."),
];
