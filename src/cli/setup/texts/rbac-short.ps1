$principal = '<SERVICE-PRINCIPAL-OBJECT-ID>'   # from point 2
Connect-ExchangeOnline -ExchangeEnvironmentName {{exchange_environment}}
New-ServicePrincipal -AppId '{{client_id}}' -ObjectId $principal -DisplayName 'leavebridge'
$group = Get-Group -Identity '{{group}}'
New-ManagementScope -Name '{{scope}}' -RecipientRestrictionFilter "MemberOfGroup -eq '$($group.DistinguishedName)'"
New-ManagementRoleAssignment -App $principal -Role '{{exchange_role}}' -CustomResourceScope '{{scope}}'
Test-ServicePrincipalAuthorization -Identity $principal -Resource 'amy.chan@contoso.com'   # a member; then an outsider
